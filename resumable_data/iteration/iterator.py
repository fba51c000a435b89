"""The one iterator: it drives an engine, which plans and loads, and owns the position."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection
from contextlib import suppress
from threading import RLock
from types import TracebackType
from typing import NoReturn, Self, TypeVar

from resumable_data.arguments import as_function, as_integer, optional
from resumable_data.errors import PipelineError
from resumable_data.iteration.agreed_start import AgreedStart
from resumable_data.iteration.epochs import Epochs
from resumable_data.iteration.load_ahead import Loaded
from resumable_data.iteration.loading import Loading
from resumable_data.iteration.meter import Meter, OnBatch
from resumable_data.iteration.moves import elements_left, skipping, sought
from resumable_data.iteration.opened import Opened
from resumable_data.iteration.place import Place, restored
from resumable_data.iteration.run_report import Explain, RunReport
from resumable_data.opaque import JsonObject
from resumable_data.run_history import NEW_RUN, RunHistory
from resumable_data.state import State
from resumable_data.waits import Waiting

ElementT = TypeVar("ElementT")


class DataIterator(RunReport[ElementT]):
    """Iterates over a pipeline from a position that can be saved and set.

    What is read ahead or prefetched is never part of the state: that is always the position after the last
    element handed over. Close it, or use it as a context manager, to end its threads early.

    Several threads may take elements, each its own, and states, while others do. A forked process makes an iterator
    of its own.

    Args:
        open_: Opens the pipeline with the history of a run.
        prefetch: Elements that a thread keeps ready, or 0 to load in the calling thread.
        start: The agreement of processes before the first batch.
        explain: From a step and a state, what the batch of that step consists of; None where there are no batches.
        pipeline: The last stage, for questions about its run.
    """

    def __init__(
        self,
        open_: Callable[[RunHistory], Opened[ElementT]],
        prefetch: int = 0,
        start: AgreedStart | None = None,
        explain: Explain | None = None,
        pipeline: object = None,
    ) -> None:
        self._open = open_
        opened = open_(NEW_RUN)
        self._place = Place(opened, 0, opened.engine.start())
        self._at_first = opened.history
        self._start = start or AgreedStart(())
        self._explain = explain
        self.pipeline = pipeline
        self._ended = False
        self._taking = RLock()
        self._process = os.getpid()
        self._peeked: Loaded[ElementT] | None = None
        self._meter = Meter(prefetch)
        self._loading = Loading[ElementT](prefetch, self._meter)
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ElementT:
        self._check_moves()
        with self._taking:
            # Kept until it is delivered, because a callback may fail.
            self._peeked = element, after, tokens = self._advance()
            self._meter.hand_over(tokens, len(self._loading))
            self._peeked, self._place = None, self._place.after(after)  # both, or neither if a Ctrl-C comes
            return element

    def peek(self) -> ElementT:
        """Returns the next element without moving: ``next`` returns it again.

        Raises:
            StopIteration: There is none.
        """
        self._check_process()
        with self._taking:
            self._peeked = self._advance()
            return self._peeked[0]

    def start(self) -> None:
        """Begins to load, so that the first batch is ready when it is asked for; the position does not move.

        It returns at once. Without ``prefetch``, which has the threads, it does nothing. After ``set_state``, and
        after a restore by Orbax, loading begins by itself. What fails in the background is raised by ``next``.

        Where several processes measure documents, each calls it: they tell each other the lengths.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(4, [3]))
        >>> with iter(documents.pad(3, eod_id=0).batch(2).prefetch()) as batches:
        ...     batches.start()
        ...     batches.step
        0
        """
        self._check_process()
        if self._closed:
            raise ValueError("this iterator is closed")
        with self._taking:
            self._start_loading()

    def epochs(self) -> Epochs[ElementT]:
        """Returns the epochs from the present one on, each with the elements that begin in it.

        A batch may hold the end of one epoch and the beginning of the next. It belongs to the epoch in which it
        begins. After ``set_state`` the present epoch goes on in its middle, and so does one whose loop was left.

        Raises:
            PipelineError: The pipeline has no epochs: it is a mix, or a source without random access.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(5, [3])).repeat(2)
        >>> for epoch in iter(documents.pad(3, eod_id=0).batch(2)).epochs():
        ...     print(epoch.number, epoch.count_left(), len(list(epoch)))
        0 3 3
        1 2 2
        """
        if self.epoch is None:
            raise PipelineError("epochs: a mix, and a source without random access, have no epochs of their own")
        return Epochs(self, self._has_next, self._count_left)

    def set_state(self, state: JsonObject, allow: Collection[str] = ()) -> None:
        """Goes to a saved position. It is applied whole, or an error leaves the iterator where it was.

        Args:
            state: What ``get_state`` gave, also after a round trip through JSON.
            allow: What may differ between the saved pipeline and this one, one name or several: ``"weights"`` (of a
                mix, and their schedule), ``"sources"`` (components added or removed), ``"batch"`` (sizes from now
                on), ``"epochs"`` (their number), ``"data"`` (new records at the end of a source, from its next epoch
                on) and ``"length"`` (tokens a row, from now on). What was delivered stays as it was; the change is
                recorded.

        Raises:
            StateError: The state is damaged, or of a version that this release cannot read.
            PipelineMismatchError: It belongs to another pipeline or to other data.
            PipelineError: ``allow`` names what can never be changed, or the position lies beyond what ``random_map``
                can tell apart.
        """
        with Waiting(lambda: "a position to go to"), self._meter.clocks.running():
            self.check_state(state, allow)()

    def reset(self) -> None:
        """Goes back to the beginning, as if the iterator were new; edits are forgotten.

        >>> import resumable_data as rd
        >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(4, [3])).pad(3, eod_id=0).batch(2))
        >>> len(list(batches)), batches.reset(), len(list(batches))
        (2, None, 2)
        """
        self._go_to(self._first_place())

    def seek(self, step: int) -> None:
        """Goes to an element by its index, for a trainer that has a step and no state; edits are forgotten.

        All elements before it are planned, a microsecond a document, and nothing is read. A state is there at once.

        Args:
            step: The index of the element that is next; the number of all of them goes to the end.

        Raises:
            PipelineError: There are fewer elements, or planning would read documents, whose lengths are not known.

        >>> import resumable_data as rd
        >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(9, [3])).pad(3, eod_id=0).batch(2))
        >>> expected = list(batches)[3].targets.tolist()
        >>> batches.seek(3)
        >>> batches.step, next(batches).targets.tolist() == expected
        (3, True)
        """
        if (wanted := as_integer("seek: step", step)) < 0:
            raise PipelineError(f"seek: step={wanted} must not be negative")
        self._go_to(sought(self._first_place(), wanted))

    def state_dict(self) -> State:
        """Returns ``get_state()``, under the name that trainers of PyTorch call, such as torchtitan's."""
        return self.get_state()

    def load_state_dict(self, state_dict: JsonObject) -> None:
        """Calls ``set_state``, under the name that trainers of PyTorch call."""
        self.set_state(state_dict)

    def check_state(self, state: JsonObject, allow: Collection[str] = ()) -> Callable[[], None]:
        """Reads and checks a saved position without moving, as ``set_state`` does before it moves.

        Returns:
            What goes to the position, and cannot fail.

        Raises:
            StateError: The state is damaged, or of a version that this release cannot read.
            PipelineMismatchError: It belongs to another pipeline or to other data.
            PipelineError: As ``set_state``.
        """
        self._check_moves()
        place = restored(self._place.opened, self._open, state, allow)

        def go() -> None:
            self._go_to(place)
            with suppress(RuntimeError):  # Where no further thread can start, ``next`` says so.
                self._start_loading()

        return go

    def skip(self, count: int, at: int | None = None) -> None:
        """Leaves out batches, as after a loss spike; recorded in the state as an edit.

        A step has one skip. A job can say it again at every start: what is recorded already changes nothing.

        The batches are planned, not read: about a microsecond a document. ``step`` counts batches delivered
        and does not move; weights that change by step count skipped batches too.

        Args:
            count: How many batches.
            at: Before the batch of which step; by default the next.

        Raises:
            PipelineError: ``count`` is below 1 or above a million, step ``at`` is delivered or has a skip of another
                count already, or this is not an iterator of batches.
        """
        self._check_moves()
        count, at = as_integer("skip: count", count), optional(as_integer, "skip: at", at)
        place = skipping(self._place, count, at)
        if place is None:
            return
        loads = self._loading.begun
        self._drop_loaded()
        self._place = place
        self._begin()
        if loads:
            self._start_loading()

    def on_batch(self, callback: OnBatch) -> None:
        """Calls a function with the stats whenever a batch is handed over, as for metrics of one's own.

        It runs in the thread that takes the batch, just before that gets it: a state that is taken meanwhile is the
        one before the batch. If it fails, ``next`` raises its error, and the batch comes with the next ``next``.

        Args:
            callback: Takes the stats, which count the batch. It must not move the iterator.

        Raises:
            PipelineError: It is not a function.

        >>> import resumable_data as rd
        >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(4, [3])).pad(3, eod_id=0).batch(2))
        >>> batches.on_batch(lambda stats: print(stats.batches, stats.tokens))
        >>> for batch in batches:
        ...     pass
        1 6
        2 12
        """
        self._meter.add(as_function("on_batch: callback", callback))

    def close(self) -> None:
        """Ends the threads, if there are any, and frees what was read. The state can still be taken.

        A thread that does not end, since storage does not answer, keeps running, and a warning says so.
        """
        self._closed = True
        if self._process != os.getpid():
            return  # The threads and files belong to the parent process of this fork.
        # Threads that load ahead may wait for other processes; this ends their wait.
        self._place.opened.engine.close()
        self._drop_loaded()
        self._place.opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an iterator cannot be pickled: it has threads and open files. Send the pipeline and get_state(), and "
            "call iter(data) and set_state(state) there"
        )

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise PipelineError(
                f"this iterator was made in process {self._process}, of which this one is a fork: its threads are "
                "not here. Make an iterator of its own in each process, by iter(data)"
            )

    def _check_moves(self) -> None:
        self._check_process()
        if self._meter.calls_back:
            raise PipelineError("on_batch: a callback must not move its iterator: do so after next has returned")

    def _advance(self) -> Loaded[ElementT]:
        """Returns the next element, peeked or loaded."""
        if self._closed:
            raise ValueError("this iterator is closed")
        if self._peeked is not None:
            return self._peeked
        if self._ended:
            raise StopIteration
        try:
            with Waiting(lambda: f"element {self.step}"), self._meter.waiting():
                self._start.agree(self.get_state)
                following = self._loading.take(self._place)
        except BaseException:
            # The next call starts again from the position, which has not moved.
            self._drop_loaded()
            raise
        if following is None:
            self._drop_loaded()
            self._ended = True
            self._warn_of_nothing()
            raise StopIteration
        return following

    def _has_next(self) -> bool:
        try:
            self.peek()
        except StopIteration:
            return False
        return True

    def _count_left(self, epoch: int) -> int | None:
        """Counts remaining elements that begin in an epoch; None if that would read documents."""
        return elements_left(self._place, epoch)

    def _warn_of_nothing(self) -> None:
        """Warns if the data ends before the first batch."""
        place = self._place
        if place.step == 0 and (left := place.opened.engine.remainder(place.cursor, 0, ended=True)):
            rows = "1 row" if left == 1 else f"{left} rows"
            warnings.warn(
                f"there is no batch: the data has {rows}, fewer than a batch takes, and drop_remainder=True leaves "
                "them out. Take smaller batches, or batch(…, drop_remainder=False)",
                stacklevel=4,
            )

    def _start_loading(self) -> None:
        """Starts the threads that load ahead, if prefetch is on."""
        if not (self._closed or self._ended):
            self._loading.start(self._place)

    def _first_place(self) -> Place[ElementT]:
        self._check_moves()
        before = self._place.opened
        opened = before if before.history == self._at_first else self._open(NEW_RUN)
        return Place(opened, 0, opened.engine.start())

    def _go_to(self, place: Place[ElementT]) -> None:
        self._drop_loaded()
        before, self._place = self._place, place
        if place.opened is not before.opened:
            before.opened.close()
        self._begin()

    def _begin(self) -> None:
        """Starts at a new position."""
        self._ended = False
        self._start.forget()

    def _drop_loaded(self) -> None:
        self._peeked = None
        self._loading.drop()
