"""The groups that were planned of late, and the one that is planned in the background."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
GroupT = TypeVar("GroupT")

RunAhead = Callable[[Callable[[], None]], None]
"""Runs a task in a thread of its own."""

_KEPT = 3


class GroupCache(Generic[KeyT, GroupT]):
    """Groups by where they begin. They are kept for speed alone: they follow from the place.

    Args:
        plan: Plans the group at a place.
    """

    def __init__(self, plan: Callable[[KeyT], GroupT]) -> None:
        self._plan = plan
        self._groups: OrderedDict[KeyT, GroupT] = OrderedDict()
        self._lock = Lock()
        self._locks: OrderedDict[KeyT, Lock] = OrderedDict()

    def get(self, key: KeyT) -> GroupT:
        """The group at a place. Of two threads that ask for one group, one plans it, and the other waits."""
        with self._lock:
            if key in self._groups:
                return self._groups[key]
            planning = self._locks.setdefault(key, Lock())
        with planning:
            with self._lock:
                if key in self._groups:
                    return self._groups[key]
            try:
                group = self._plan(key)
            finally:
                with self._lock:
                    self._locks.pop(key, None)
            with self._lock:
                self._groups[key] = group
                while len(self._groups) > _KEPT:
                    self._groups.popitem(last=False)
            return group

    def prepare(self, key: KeyT, run: RunAhead) -> None:
        """Plans the group at a place in the background, unless that is done already.

        If it fails, nothing is said: whoever asks for the group plans it again, and is told.
        """
        with self._lock:
            if key in self._groups or key in self._locks:
                return

        def task() -> None:
            with suppress(Exception):
                self.get(key)

        run(task)
