"""Loads elements ahead of the next one: many in one read, and in threads if prefetch is on."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Generic, TypeVar

from resumable_data.engines.engine import Engine
from resumable_data.errors import ResumableDataError
from resumable_data.iteration.background import BackgroundIterator
from resumable_data.iteration.plan_ahead import After, PlannedAhead, plan_ahead
from resumable_data.opaque import Cursor, Element, Plan
from resumable_data.threads import join_all
from resumable_data.timing import Clocks, Work
from resumable_data.waits import Doing

ElementT = TypeVar("ElementT")

Loaded = tuple[ElementT, After, int]
"""A loaded element, the position after it, and the number of tokens read for it."""


class LoadedAhead(Generic[ElementT]):
    """Elements from a cursor on, each with the position after it, loaded here or by three threads.

    With prefetch, one thread plans, one reads and one assembles. So storage, decompression and arithmetic do not wait
    for each other.

    Args:
        engine: What plans and loads.
        cursor: The first position.
        step: The step of the cursor.
        prefetch: Elements that a thread keeps ready, or 0 to load in the calling thread.
        clocks: Count the time of the threads.
    """

    def __init__(
        self, engine: Engine[Plan, Cursor, ElementT], cursor: Cursor, step: int, prefetch: int, clocks: Clocks
    ) -> None:
        self._waiting: Sized = ()
        planned = plan_ahead(engine, cursor, step)
        if not prefetch:
            self._elements = one_by_one(load(engine, planned))
            self._start: Callable[[], object] = lambda: None
            self._end: Callable[[], object] = lambda: None
            return
        planning = BackgroundIterator(planned, 1, clocks.running)
        reading = BackgroundIterator(load(engine, planning), 1, clocks.running)
        assembling = BackgroundIterator(one_by_one(reading), prefetch, clocks.running)
        stages = [assembling, reading, planning]
        self._elements = self._waiting = assembling
        self._start = assembling.start
        # The threads hold no reference to this object, so dropping it, or exiting, ends them.
        self._end = weakref.finalize(self, _close, stages, os.getpid())

    def __next__(self) -> Loaded[ElementT]:
        return next(self._elements)

    def __len__(self) -> int:
        """Returns the number of elements that are loaded and wait; 0 without prefetch."""
        return len(self._waiting)

    def start(self) -> None:
        """Starts the threads, if there are any."""
        self._start()

    def close(self) -> None:
        """Stops loading."""
        self._end()


def _close(stages: list[BackgroundIterator[Element]], process: int) -> None:
    if os.getpid() != process:
        return  # A fork does not have these threads, and nobody would release their locks.
    for stage in stages:
        stage.stop()
    join_all([stage.thread for stage in stages if stage.thread is not None])


@dataclass(frozen=True)
class Chunk(Generic[ElementT]):
    """Elements that were read together.

    Attributes:
        elements: The elements, each assembled when it is taken.
        after: The position after each.
        tokens: Number of tokens read for each.
    """

    elements: Iterator[ElementT]
    after: list[After]
    tokens: list[int]


def load(engine: Engine[Plan, Cursor, ElementT], planned: Iterator[list[PlannedAhead]]) -> Iterator[Chunk[ElementT]]:
    """Reads planned elements."""
    for elements in planned:
        with Doing(_reading, Work.READING):
            loaded = _loaded(engine, [element.plan for element in elements])
        yield Chunk(loaded, [element.after for element in elements], [element.tokens for element in elements])


def _reading() -> str:
    return "reading"


def _loaded(engine: Engine[Plan, Cursor, ElementT], plans: list[Plan]) -> Iterator[ElementT]:
    """Loads elements of plans. If a record is bad, the elements before it are still delivered."""
    try:
        return engine.load(plans)
    except ResumableDataError:
        return (element for plan in plans for element in engine.load([plan]))


def one_by_one(chunks: Iterator[Chunk[ElementT]]) -> Iterator[Loaded[ElementT]]:
    """Yields the elements of all chunks, each with the position after it, and its tokens."""
    for chunk in chunks:
        yield from zip(chunk.elements, chunk.after, chunk.tokens, strict=True)
