"""Keeps the groups that were planned last, and the one that is planned in the background."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Condition
from typing import Generic, TypeVar, cast
from weakref import WeakValueDictionary

from resumable_data.timing import Work
from resumable_data.waits import Doing

KeyT = TypeVar("KeyT", bound=Hashable)
GroupT = TypeVar("GroupT", bound=object)

RunAhead = Callable[[Callable[[], None]], None]
"""Runs a task in a thread of its own."""

_KEPT = 3
_MISSING = object()


class GroupCache(Generic[KeyT, GroupT]):
    """Groups by the place where they begin. They are kept only for speed: they follow from the place.

    The latest are kept, and those that somebody else keeps, such as a cursor. So a state of an earlier place needs no
    group that has to be measured again.

    Args:
        plan: Plans the group at a place; returns None if there is none.
    """

    def __init__(self, plan: Callable[[KeyT], GroupT | None]) -> None:
        self._plan = plan
        self._latest: OrderedDict[KeyT, GroupT | None] = OrderedDict()
        self._alive: WeakValueDictionary[KeyT, GroupT] = WeakValueDictionary()
        self._planning: set[KeyT] = set()
        self._changed = Condition()  # guards all three; tells those who wait that a group is no longer being planned

    def get(self, key: KeyT) -> GroupT | None:
        """Returns the group at a place. If two threads ask for it, one plans it, and the other waits."""
        with self._changed:
            if self._planning and key in self._planning:
                with Doing(_waiting, Work.NOTHING):
                    self._changed.wait_for(lambda: key not in self._planning)
            # Every state asks this.
            if (latest := self._latest.get(key, _MISSING)) is not _MISSING:
                return cast("GroupT | None", latest)
            if (alive := self._alive.get(key)) is not None:
                return alive
            self._planning.add(key)
        try:
            group = self._plan(key)
            with self._changed:
                self._latest[key] = group
                while len(self._latest) > _KEPT:
                    self._latest.popitem(last=False)
                if group is not None:
                    self._alive[key] = group
            return group
        finally:
            with self._changed:
                self._planning.remove(key)
                self._changed.notify_all()

    def prepare(self, key: KeyT, run: RunAhead) -> None:
        """Plans the group at a place in the background, unless it is planned already.

        A failure is not reported here: a later call of ``get`` plans the group again, and raises.
        """
        with self._changed:
            if key in self._latest or key in self._alive or key in self._planning:
                return

        def task() -> None:
            with suppress(Exception):  # Also errors of a thread when the program ends.
                self.get(key)

        run(task)


def _waiting() -> str:
    return "waiting for documents that another thread measures"
