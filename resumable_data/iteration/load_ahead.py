"""Loading elements ahead of the one that is asked for: many in one read, and in threads where that is wished."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resumable_data.engines.engine import Engine, Planned
from resumable_data.errors import ResumableDataError
from resumable_data.iteration.background import Background
from resumable_data.threads import join_all
from resumable_data.timing import Clocks, Work
from resumable_data.waits import Doing

ElementT = TypeVar("ElementT")

_TOKENS_AT_ONCE = 2**24


Loaded = tuple[ElementT, Any, int]
"""An element that is loaded, the cursor after it, and how many tokens were read for it."""


class Ready(Generic[ElementT]):
    """Elements from a cursor on, each with the cursor after it, loaded here or by three threads.

    With prefetching one thread plans, one reads what is planned, and one assembles what was read, so that storage,
    decompression and arithmetic do not wait for each other.

    Args:
        engine: What plans and loads.
        cursor: Where to begin.
        step: Its step.
        prefetch: Elements that a thread keeps ready, or 0 to load in the calling thread.
        clocks: Count the time of the threads.
    """

    def __init__(
        self, engine: Engine[Any, Any, ElementT], cursor: Any, step: int, prefetch: int, clocks: Clocks
    ) -> None:
        self._waiting: Sized = ()
        planned = plan_ahead(engine, cursor, step)
        if not prefetch:
            self._elements = one_by_one(load(engine, planned))
            self._start: Callable[[], object] = lambda: None
            self._end: Callable[[], object] = lambda: None
            return
        planning = Background(planned, 1, clocks.running)
        reading = Background(load(engine, planning), 1, clocks.running)
        assembling = Background(one_by_one(reading), prefetch, clocks.running)
        stages = [assembling, reading, planning]
        self._elements = self._waiting = assembling
        self._start = assembling.start
        # The threads know nothing of this object, so that dropping it, or exiting, ends them.
        self._end = weakref.finalize(self, _close, stages, os.getpid())

    def __next__(self) -> Loaded[ElementT]:
        return next(self._elements)

    def __len__(self) -> int:
        """Elements that are loaded and wait; 0 where nothing is loaded before it is asked for."""
        return len(self._waiting)

    def start(self) -> None:
        """Starts the threads, if there are any."""
        self._start()

    def close(self) -> None:
        """Stops loading."""
        self._end()


def _close(stages: list[Background[Any]], process: int) -> None:
    if os.getpid() != process:
        return  # A fork has not these threads, and nobody would give back the locks that they held.
    for stage in stages:
        stage.stop()
    join_all([stage.thread for stage in stages if stage.thread is not None])


@dataclass(frozen=True)
class Chunk(Generic[ElementT]):
    """Elements that were read together.

    Attributes:
        elements: They themselves, assembled one by one when asked for.
        after: The cursor after each.
        tokens: Tokens that were read for each.
    """

    elements: Iterator[ElementT]
    after: list[Any]
    tokens: list[int]


def plan_ahead(engine: Engine[Any, Any, Any], cursor: Any, step: int) -> Iterator[list[Planned[Any, Any]]]:
    """Elements from a step and its cursor on, as many at a time as are to be read together.

    Records are cheap when hundreds are read at once: one element at first, to be quick after a resume, then twice as
    many each time up to a limit of spans and tokens. Where elements have no known size, the engine lowers its limit.
    """
    elements = 1
    while True:
        most_spans = engine.spans_at_once
        planned: list[Planned[Any, Any]] = []
        failure: ResumableDataError | None = None
        spans = tokens = 0
        with Doing(_planning, Work.PLANNING):
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
                cursor, step = following.after, step + 1
                spans, tokens = spans + following.spans, tokens + following.tokens
        if planned:
            yield planned
        if failure is not None:
            raise failure
        if not planned:
            return
        elements *= 2


def _planning() -> str:
    return "planning"


def load(engine: Engine[Any, Any, ElementT], planned: Iterator[list[Planned[Any, Any]]]) -> Iterator[Chunk[ElementT]]:
    """The planned elements, read."""
    for elements in planned:
        with Doing(_reading, Work.READING):
            loaded = _loaded(engine, [element.plan for element in elements])
        yield Chunk(loaded, [element.after for element in elements], [element.tokens for element in elements])


def _reading() -> str:
    return "reading"


def _loaded(engine: Engine[Any, Any, ElementT], plans: list[Any]) -> Iterator[ElementT]:
    """Elements of the plans. Where a record is bad, those before it can still be had."""
    try:
        return engine.load(plans)
    except ResumableDataError:
        return (element for plan in plans for element in engine.load([plan]))


def one_by_one(chunks: Iterator[Chunk[ElementT]]) -> Iterator[Loaded[ElementT]]:
    """The elements of all chunks, each with the cursor after it, and its tokens."""
    for chunk in chunks:
        yield from zip(chunk.elements, chunk.after, chunk.tokens, strict=True)
