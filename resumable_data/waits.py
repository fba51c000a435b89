"""Explains long waits in the log: what waits, for how long, and what the threads of this process do meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread, get_ident
from types import TracebackType

from resumable_data.timing import Work, clocks_by_thread, is_profiled, mark

FIRST_SECONDS = 10.0
"""A wait of this length is logged for the first time."""

AGAIN_SECONDS = 60.0
"""A wait that goes on is logged again after this time."""

_IDLE_SECONDS = 5.0

_LOG = logging.getLogger(__name__)

About = Callable[[], str]
"""Returns the name of an activity or a wait. It is called only if the name is logged."""

_activities: dict[int, list[About]] = {}  # by thread, the innermost last
_waits: dict[int, Waiting] = {}  # by thread


class Doing:
    """Names what this thread does during the block: in the log of waits, for clocks, and in JAX's profile.

    Args:
        about: Returns what it does, as in ``"reading 12 records of …"``.
        work: The work that its time counts as.

    >>> with Doing(lambda: "planning", Work.PLANNING):
    ...     activities()
    ['planning']
    """

    __slots__ = ("_about", "_before", "_clock", "_mark", "_stack", "_work")

    def __init__(self, about: About, work: Work) -> None:
        self._about = about
        self._work = work

    def __enter__(self) -> None:
        thread = get_ident()
        stack = _activities.get(thread)
        if stack is None:
            stack = _activities[thread] = []
        stack.append(self._about)
        self._stack = stack
        self._mark = mark(self._work.name.lower()) if is_profiled() else None
        self._clock = clocks_by_thread.get(thread)
        if self._clock is not None:
            self._before = self._clock.switch(self._work)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._clock is not None:
            self._clock.switch(self._before)
        if self._mark is not None:
            self._mark.__exit__(kind, error, trace)
        self._stack.pop()
        if not self._stack:
            del _activities[get_ident()]


class Waiting:
    """Says that this thread waits for something during the block. After some seconds the log says so too.

    Args:
        about: Returns what it waits for, as in ``"element 12"``.
        first_seconds: The length of a wait that is logged for the first time.
    """

    __slots__ = ("_outer", "about", "due", "logged", "since")

    def __init__(self, about: About, first_seconds: float = FIRST_SECONDS) -> None:
        self.about = about
        self.since = time.monotonic()
        self.due = self.since + first_seconds
        self.logged = False
        self._outer: Waiting | None = None

    def __enter__(self) -> None:
        thread = get_ident()
        self._outer = _waits.get(thread)
        _waits[thread] = self
        if not _watcher.runs:
            _watcher.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outer is None:
            del _waits[get_ident()]
        else:
            _waits[get_ident()] = self._outer
        if self.logged:
            _LOG.warning("%s: the wait is over after %.0f s", self.about(), time.monotonic() - self.since)


def activities() -> list[str]:
    """Returns what the threads of this process do: the innermost activity of each."""
    return [stack[-1]() for stack in list(_activities.values()) if stack]


class _Watcher:
    """A thread that looks at the waits once a second. It ends soon after the last of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._thread: Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether the thread runs. After a fork it does not run in the child."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Starts the thread."""
        with self._lock:
            if not self.runs:
                self._thread = Thread(target=self._watch, name="resumable_data watch", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        busy = time.monotonic()
        while _waits or time.monotonic() - busy < _IDLE_SECONDS:
            Event().wait(1.0)
            if _waits:
                busy = time.monotonic()
                log_waits(busy)


def log_waits(now: float) -> None:
    """Logs the waits that are due. It keeps no reference to them: that would keep iterators alive.

    Args:
        now: The time of ``time.monotonic``.
    """
    for wait in list(_waits.values()):
        if now >= wait.due:
            wait.logged, wait.due = True, now + AGAIN_SECONDS
            doing = "; ".join(activities()) or "nothing that this library knows of"
            _LOG.warning("%s: waiting for %.0f s; in progress: %s", wait.about(), now - wait.since, doing)


_watcher = _Watcher()
