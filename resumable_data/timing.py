"""Clocks that count where the time of loading goes: each thread has one, which counts seconds by work.

A clock is switched from one work to the next, so no time counts twice in a thread. If planning reads a document, that
time counts as reading. Time in which a thread works for no iterator, or waits for another thread, counts as
``Work.NOTHING``.

This module takes no lock: the garbage collector may end threads anywhere, and they must not wait for each other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from threading import get_ident
from types import TracebackType
from typing import cast

from jax.profiler import TraceAnnotation

Now = Callable[[], float]
"""Returns the seconds since a fixed moment."""


class Work(IntEnum):
    """The work on which a thread spends its time."""

    NOTHING = 0
    PLANNING = 1
    EXCHANGING = 2
    READING = 3
    TOKENIZING = 4
    MAPPING = 5
    ASSEMBLING = 6
    PLACING = 7


class Clock:
    """Counts the seconds of one thread at a time, by work.

    Args:
        clocks: The clocks of the iterator, with this one.
        now: Returns the time.

    Attributes:
        clocks: The clocks of the iterator, with this one.
        seconds: The seconds spent so far, by work. The present work counts when it ends.
    """

    __slots__ = ("_now", "_since", "_work", "clocks", "seconds")

    def __init__(self, clocks: Clocks, now: Now) -> None:
        self.clocks = clocks
        self.seconds = [0.0] * len(Work)
        self._now = now
        self._work: int = Work.NOTHING
        self._since = 0.0

    def start(self) -> None:
        """Ignores the time since the last ``switch``: it does not count."""
        self._since = self._now()

    def switch(self, work: int) -> int:
        """Counts the time as this work from now on. Returns the work before it."""
        now = self._now()
        before, self._work = self._work, work
        self.seconds[before] += now - self._since
        self._since = now
        return before


class Clocks:
    """The clocks of all threads that work for one iterator.

    Args:
        now: Returns the time in seconds.
    """

    def __init__(self, now: Now = time.perf_counter) -> None:
        self.now = now
        self._all: list[Clock] = []
        self._free: deque[Clock] = deque()

    def make(self) -> Clock:
        """Makes another clock."""
        clock = Clock(self, self.now)
        self._all.append(clock)
        return clock

    def running(self) -> Running:
        """Gives this thread a clock during the block. Afterwards another thread may use the clock."""
        try:
            clock = self._free.pop()
        except IndexError:
            clock = self.make()
        return Running(clock, self._free)

    def seconds(self, work: Work) -> float:
        """Returns the seconds that all threads together spent on a work."""
        return sum(clock.seconds[work] for clock in list(self._all))


class Running:
    """Makes a clock count the time of this thread during a block. It can be used for several blocks in turn.

    Args:
        clock: The clock.
        free: The free clocks. The clock is added to them after the block.
        name: The name of the block in JAX's profile; None for no mark there.
    """

    __slots__ = ("_clock", "_free", "_mark", "_name", "_outer", "_thread")

    def __init__(self, clock: Clock, free: deque[Clock] | None = None, name: str | None = None) -> None:
        self._clock = clock
        self._free = free
        self._name = name

    def __enter__(self) -> None:
        self._thread = get_ident()
        self._mark = mark(self._name) if self._name is not None and is_profiled() else None
        self._outer = clocks_by_thread.get(self._thread)
        clocks_by_thread[self._thread] = self._clock
        self._clock.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clock.switch(Work.NOTHING)
        if self._outer is None:
            del clocks_by_thread[self._thread]
        else:
            # A source, or a function of the user, may iterate over a pipeline itself.
            clocks_by_thread[self._thread] = self._outer
            self._outer = None
        if self._mark is not None:
            self._mark.__exit__(kind, error, trace)
        if self._free is not None:
            self._free.append(self._clock)


clocks_by_thread: dict[int, Clock] = {}
"""The clock of each thread that works for an iterator."""

is_profiled = cast(Callable[[], bool], TraceAnnotation.is_enabled)
"""Tells whether JAX's profiler runs. If not, a mark would cost half a microsecond for nothing."""


def counted_here(task: Callable[[], None]) -> Callable[[], None]:
    """Wraps a task for another thread, so that its time counts for the iterator of this thread."""
    clock = clocks_by_thread.get(get_ident())
    if clock is None:
        return task
    clocks = clock.clocks

    def counted() -> None:
        with clocks.running():
            task()

    return counted


def mark(name: str) -> TraceAnnotation:
    """Begins a mark in JAX's profile. The same thread must end it."""
    begun = TraceAnnotation(f"resumable_data: {name}")
    begun.__enter__()
    return begun
