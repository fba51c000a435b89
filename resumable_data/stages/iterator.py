"""The one iterator: it drives an engine, which plans and loads, and owns the position."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from resumable_data.differences import GONE, NEW, Difference
from resumable_data.errors import PipelineError, PipelineMismatchError, ResumableDataError, StateError
from resumable_data.stages.background import Background
from resumable_data.stages.progress import Progress
from resumable_data.stages.shards import ShardedAt
from resumable_data.stages.stage import At, Counts
from resumable_data.state import Description, Edit, Position, Settings, State, decode, encode

PlanT = TypeVar("PlanT")
CursorT = TypeVar("CursorT")
ElementT = TypeVar("ElementT")
ProducedT = TypeVar("ProducedT", covariant=True)

_SPANS_AT_ONCE = 8192
_SPANS_AT_ONCE_A_READER = 256
_TOKENS_AT_ONCE = 2**24

SKIP = "skip"
"""What an edit that skips batches is called."""


@dataclass(frozen=True)
class Planned(Generic[PlanT, CursorT]):
    """A planned element.

    Attributes:
        plan: What to load.
        behind: The cursor behind it.
        spans: Stretches of documents to be read for it.
        tokens: Tokens in them.
    """

    plan: PlanT
    behind: CursorT
    spans: int
    tokens: int


@dataclass(frozen=True)
class Resumed:
    """A state that was read.

    Attributes:
        position: Where it is.
        settings: Settings of the saved pipeline's shared stages, by name.
        changes: What this restore changes about the pipeline.
    """

    position: Position
    settings: Mapping[str, Settings]
    changes: tuple[Edit, ...]

    @property
    def epochs_before(self) -> dict[str, int]:
        """By component path the number of epochs that this restore changes, where it was finite."""
        paths = list(self.position.at)
        found: dict[str, int] = {}
        for change in self.changes:
            path, _, what = str(change["what"]).rpartition(": ")
            if what == "repeat.epochs" and isinstance(change["before"], int):
                found[path or paths[0]] = change["before"]
            elif what == "stage repeat" and change["after"] == NEW:
                found[path or paths[0]] = 1
        return found

    def at(self, shard: int, shards: int) -> dict[str, At]:
        """The position's integers of one logical shard.

        Raises:
            PipelineMismatchError: The saved pipeline had another number of shards.
            StateError: The state is that of a process that does not run this shard.
        """
        saved = self.settings.get("batch", {}).get("shards", 1)
        if saved != shards:
            line = f"batch.shards was {saved}, is {shards}"
            raise PipelineMismatchError(f"{line}; say batch(…, shards={saved}) to keep it", (line,))
        found: dict[str, At] = {}
        for path, ats in self.position.at.items():
            if len(ats) != shards:
                raise StateError(f"component {path!r}: the state has {len(ats)} logical shards, not {shards}")
            at = ats[shard]
            if at is None:
                raise StateError(
                    f"the state is that of a process without logical shard {shard}, which is needed here. Join the "
                    "states of all processes with resumable_data.merge_states"
                )
            found[path] = at
        return found


class Engine(Protocol[PlanT, CursorT, ProducedT]):
    """Plans and loads elements. It keeps no position: a cursor is a value, and planning is pure."""

    @property
    def reader_count(self) -> int:
        """Readers that plans refer to."""
        ...

    def start(self) -> CursorT:
        """The cursor in front of the first element."""
        ...

    def plan(self, cursor: CursorT, step: int) -> Planned[PlanT, CursorT] | None:
        """The element of a step, whose cursor is given, or None at the end."""
        ...

    def load(self, plans: Sequence[PlanT]) -> Iterator[ProducedT]:
        """Reads what the plans name, then gives their elements one by one."""
        ...

    @property
    def shards(self) -> int:
        """Number of logical shards."""
        ...

    def encode(self, cursor: CursorT) -> tuple[int, ShardedAt]:
        """Rows delivered, and integers by component path and logical shard, None for shards that run elsewhere."""
        ...

    def decode(self, resumed: Resumed) -> CursorT:
        """The cursor of a state."""
        ...

    def skipping(self, cursor: CursorT, step: int, count: int) -> CursorT:
        """The cursor that will skip ``count`` elements in front of that of a step."""
        ...

    def counts(self, cursor: CursorT) -> dict[str, Counts]:
        """What each component has delivered."""
        ...

    def remainder(self, cursor: CursorT, step: int) -> int:
        """Rows behind the cursor of a step that will not be delivered."""
        ...

    def cells(self, rows: int) -> int:
        """Cells, tokens and padding, of so many rows."""
        ...


class DataIterator(Generic[ElementT]):
    """Iterates over a pipeline from a position that can be saved and set.

    What is read ahead or prefetched is never part of the state: that is always the position behind the last
    element handed over. Close it, or use it as a context manager, to end its thread early.

    Args:
        engine: What plans and loads.
        description: What decides the pipeline's data.
        prefetch: Elements that a thread keeps ready, or 0 to load in the calling thread.
        agree: Called with the state before the first element of a new position is handed over; raises where
            other processes of the run are elsewhere.
    """

    def __init__(
        self,
        engine: Engine[Any, Any, ElementT],
        description: Description,
        prefetch: int = 0,
        agree: Callable[[State], None] | None = None,
    ) -> None:
        self._engine = engine
        self._description = description
        self._prefetch = prefetch
        self._agree = agree
        self._agreed = False
        self._step = 0
        self._cursor: Any = engine.start()
        self._edits: tuple[Edit, ...] = ()
        self._ready: _Ready[ElementT] | None = None
        self._peeked: tuple[ElementT, Any] | None = None
        self._closed = False

    @property
    def step(self) -> int:
        """Elements delivered, which is the index of the next."""
        return self._step

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ElementT:
        element, cursor = self._advance()
        self._peeked = None
        self._cursor = cursor
        self._step += 1
        return element

    def peek(self) -> ElementT:
        """The next element, without moving: it will be handed over again.

        Raises:
            StopIteration: There is none.
        """
        self._peeked = self._advance()
        return self._peeked[0]

    def get_state(self) -> State:
        """The position behind the last element handed over, as plain JSON values."""
        rows, at = self._engine.encode(self._cursor)
        return encode(self._description, Position(self._step, rows, at, self._edits))

    def set_state(self, state: Mapping[str, Any], allow: Collection[str] = ()) -> None:
        """Goes to a saved position. It is applied whole, or an error leaves the iterator where it was.

        Args:
            state: What ``get_state`` gave, also after a round trip through JSON.
            allow: What may differ between the saved pipeline and this one: ``"weights"`` (of a mix, and their
                schedule), ``"sources"`` (components added or removed), ``"batch"`` (sizes from now on) and
                ``"epochs"`` (their number). What was delivered stays as it was; the change is recorded.

        Raises:
            StateError: The state is damaged, or of a version that this release cannot read.
            PipelineMismatchError: It belongs to another pipeline or to other data.
        """
        self.check_state(state, allow)()

    def check_state(self, state: Mapping[str, Any], allow: Collection[str] = ()) -> Callable[[], None]:
        """Reads and checks a saved position without moving, as ``set_state`` does before it moves.

        Returns:
            What goes to the position, and cannot fail.

        Raises:
            StateError: The state is damaged, or of a version that this release cannot read.
            PipelineMismatchError: It belongs to another pipeline or to other data.
        """
        position, settings, found = decode(self._description, state, allow)
        _refuse_used_names(position, found)
        changes = tuple(_edit(position.step, position.rows, d.what, d.before, d.after) for d in found)
        cursor = self._engine.decode(Resumed(position, settings, changes))
        if changes and self._engine.shards == 1:
            counts = {path: [c.rows, c.documents, c.tokens] for path, c in self._engine.counts(cursor).items()}
            changes = tuple({**change, "counts": counts} for change in changes)

        def move() -> None:
            self._drop_ready()
            self._cursor, self._step, self._edits = cursor, position.step, (*position.edits, *changes)
            self._agreed = False

        return move

    def skip(self, count: int, at: int | None = None) -> None:
        """Leaves out batches, as after a loss spike; recorded in the state as an edit.

        The batches are planned, not read: about a microsecond a document. ``step`` counts batches delivered
        and does not move; weights that change by step count skipped batches too.

        Args:
            count: How many batches.
            at: In front of the batch of which step; by default the next.

        Raises:
            PipelineError: ``count`` is below 1, ``at`` is behind, or this is no iterator of batches.
        """
        step = self._step if at is None else at
        if count < 1 or step < self._step:
            raise PipelineError(f"skip: {count} batches in front of step {step}, but {self._step} are delivered")
        cursor = self._engine.skipping(self._cursor, step, count)
        rows, _ = self._engine.encode(self._cursor)
        self._drop_ready()
        self._cursor = cursor
        self._edits = (*self._edits, _edit(step, rows, SKIP, None, count))
        self._agreed = False

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What was changed about the pipeline while it ran, oldest first."""
        return self._edits

    @property
    def components(self) -> tuple[str, ...]:
        """Paths of the components, sorted: what ``batch(…, sources=True)`` numbers, from 1."""
        return tuple(sorted(self._description.components))

    def progress(self) -> Progress:
        """What was delivered so far, in total and a component; it survives a resume."""
        rows, _ = self._engine.encode(self._cursor)
        counts = self._engine.counts(self._cursor)
        left = self._engine.remainder(self._cursor, self._step)
        return Progress.of(self._step, rows, counts, self._engine.cells(rows), left)

    def description(self) -> dict[str, Any]:
        """What decides the pipeline's data, for people: what a checkpoint keeps as ``pipeline.json``."""
        return self._description.to_json()

    def close(self) -> None:
        """Ends the thread, if there is one. The state can still be taken."""
        self._drop_ready()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _advance(self) -> tuple[ElementT, Any]:
        """The next element and the cursor behind it; peeked, or loaded."""
        if self._closed:
            raise ValueError("this iterator is closed")
        if self._peeked is not None:
            return self._peeked
        if not self._agreed:
            if self._agree is not None:
                self._agree(self.get_state())
            self._agreed = True
        if self._ready is None:
            self._ready = _Ready(self._engine, self._cursor, self._step, self._prefetch)
        try:
            return next(self._ready)
        except BaseException:
            # An error, or the end: what follows starts again from the position, which has not moved.
            self._drop_ready()
            raise

    def _drop_ready(self) -> None:
        self._peeked = None
        # Forgotten first: a Ctrl-C while closing waits must not leave behind what looks like the end of the data.
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.close()


class _Ready(Generic[ElementT]):
    """Elements from a cursor on, each with the cursor behind it, loaded here or by two threads.

    With prefetching one thread plans and reads, and another assembles what was read, so that waiting for
    storage and copying overlap.
    """

    def __init__(self, engine: Engine[Any, Any, ElementT], cursor: Any, step: int, prefetch: int) -> None:
        self._stages: list[Background[Any]] = []
        chunks = load_ahead(engine, cursor, step)
        if not prefetch:
            self._elements = one_by_one(chunks)
            return
        reading = Background(chunks, 1)
        assembling = Background(one_by_one(reading), prefetch)
        self._stages = [assembling, reading]
        self._elements = assembling
        # The threads know nothing of this object, so that dropping it, or exiting, ends them.
        weakref.finalize(self, _close, self._stages)

    def __next__(self) -> tuple[ElementT, Any]:
        return next(self._elements)

    def close(self) -> None:
        """Stops loading."""
        _close(self._stages)


def _close(stages: list[Background[Any]]) -> None:
    for stage in stages:
        stage.stop()
    # The garbage collector may call this in one of the threads, which then end on their own.
    if not any(stage.is_current_thread for stage in stages):
        for stage in stages:
            stage.join()


@dataclass(frozen=True)
class Chunk(Generic[ElementT]):
    """Elements that were read together.

    Attributes:
        elements: They themselves, assembled one by one when asked for.
        behind: The cursor behind each.
    """

    elements: Iterator[ElementT]
    behind: list[Any]


def load_ahead(engine: Engine[Any, Any, ElementT], cursor: Any, step: int) -> Iterator[Chunk[ElementT]]:
    """Chunks of elements from a step and its cursor on.

    Records are cheap when hundreds are read at once, so that several elements are planned and read together:
    one at first, to be quick after a resume, then twice as many each time up to a limit of spans and tokens.
    """
    most_spans = max(_SPANS_AT_ONCE, _SPANS_AT_ONCE_A_READER * engine.reader_count)
    elements = 1
    while True:
        planned: list[Planned[Any, Any]] = []
        failure: ResumableDataError | None = None
        spans = tokens = 0
        while len(planned) < elements and spans < most_spans and tokens < _TOKENS_AT_ONCE:
            try:
                following = engine.plan(cursor, step)
            except ResumableDataError as error:
                # What is planned already is delivered first.
                failure = error
                break
            if following is None:
                break
            planned.append(following)
            cursor, step = following.behind, step + 1
            spans, tokens = spans + following.spans, tokens + following.tokens
        if planned:
            loaded = _load(engine, [element.plan for element in planned])
            yield Chunk(loaded, [element.behind for element in planned])
        if failure is not None:
            raise failure
        if not planned:
            return
        elements *= 2


def _load(engine: Engine[Any, Any, ElementT], plans: list[Any]) -> Iterator[ElementT]:
    """Elements of the plans. Where a record is bad, those in front of it can still be had."""
    try:
        return engine.load(plans)
    except ResumableDataError:
        return (element for plan in plans for element in engine.load([plan]))


def one_by_one(chunks: Iterator[Chunk[ElementT]]) -> Iterator[tuple[ElementT, Any]]:
    """The elements of all chunks, each with the cursor behind it."""
    for chunk in chunks:
        yield from zip(chunk.elements, chunk.behind, strict=True)


def _edit(step: int, rows: int, what: str, before: Any, after: Any) -> Edit:
    return {"step": step, "rows": rows, "what": what, "before": before, "after": after}


def _refuse_used_names(position: Position, found: Sequence[Difference]) -> None:
    """Raises PipelineMismatchError where a component is added under the name of one that was removed."""
    used = {str(edit["what"]) for edit in position.edits if edit["before"] == GONE}
    for difference in found:
        if difference.after == NEW and difference.what in used:
            raise PipelineMismatchError(
                f"{difference.what} was part of this run before and was removed; give the new one another name",
                (str(difference),),
            )
