"""Where the time of loading goes: the clock of each thread counts it under the work that the thread does.

A clock is switched from one work to the next, so no time counts twice in a thread: while planning reads a document,
that is reading. What a thread does for nobody, or while it waits for another thread, counts as ``Work.NOTHING``.

Nothing here takes a lock: the garbage collector may end threads anywhere, and they must not wait for each other.
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
"""Gives seconds since some moment."""


class Work(IntEnum):
    """What the time of a thread is spent on."""

    NOTHING = 0
    PLANNING = 1
    EXCHANGING = 2
    READING = 3
    TOKENIZING = 4
    MAPPING = 5
    ASSEMBLING = 6
    PLACING = 7


class Clock:
    """Seconds by work, of one thread at a time.

    Args:
        clocks: Those that it belongs to.
        now: Gives the time.

    Attributes:
        clocks: Those that it belongs to.
        seconds: By work the seconds spent on it so far; what goes on is counted when it ends.
    """

    __slots__ = ("_now", "_since", "_work", "clocks", "seconds")

    def __init__(self, clocks: Clocks, now: Now) -> None:
        self.clocks = clocks
        self.seconds = [0.0] * len(Work)
        self._now = now
        self._work: int = Work.NOTHING
        self._since = 0.0

    def start(self) -> None:
        """The time since the last ``switch`` counts for nothing at all."""
        self._since = self._now()

    def switch(self, work: int) -> int:
        """From now on the time counts as this work; returns the work before it."""
        now = self._now()
        before, self._work = self._work, work
        self.seconds[before] += now - self._since
        self._since = now
        return before


class Clocks:
    """The clocks of all threads that work for one iterator.

    Args:
        now: Gives the time in seconds.
    """

    def __init__(self, now: Now = time.perf_counter) -> None:
        self.now = now
        self._all: list[Clock] = []
        self._free: deque[Clock] = deque()

    def make(self) -> Clock:
        """A further clock, which counts too."""
        clock = Clock(self, self.now)
        self._all.append(clock)
        return clock

    def running(self) -> Running:
        """While the block runs, the present thread has a clock of these, which others may use after it."""
        try:
            clock = self._free.pop()
        except IndexError:
            clock = self.make()
        return Running(clock, self._free)

    def seconds(self, work: Work) -> float:
        """The seconds that all threads together spent on a work."""
        return sum(clock.seconds[work] for clock in list(self._all))


class Running:
    """While the block runs, a clock counts the time of the present thread; the block may run again after that.

    Args:
        clock: The clock.
        free: Where it is left after the block, for the next thread that needs one.
        name: What JAX's profile calls the block; None for no mark there.
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
"""Whether JAX's profiler runs: a mark that nobody sees would cost half a microsecond."""


def counted_here(task: Callable[[], None]) -> Callable[[], None]:
    """A task for another thread, whose time counts for the iterator that the present one works for."""
    clock = clocks_by_thread.get(get_ident())
    if clock is None:
        return task
    clocks = clock.clocks

    def counted() -> None:
        with clocks.running():
            task()

    return counted


def mark(name: str) -> TraceAnnotation:
    """A mark that begins now in JAX's profile, to be ended by the same thread."""
    begun = TraceAnnotation(f"resumable_data: {name}")
    begun.__enter__()
    return begun
