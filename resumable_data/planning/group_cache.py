"""Keeps the groups that were planned last, and the one that is planned in the background."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Condition
from typing import Generic, TypeVar

from resumable_data.timing import Work
from resumable_data.waits import Doing

KeyT = TypeVar("KeyT", bound=Hashable)
GroupT = TypeVar("GroupT")

RunAhead = Callable[[Callable[[], None]], None]
"""Runs a task in a thread of its own."""

_KEPT = 3


class GroupCache(Generic[KeyT, GroupT]):
    """Groups by the place where they begin. They are kept only for speed: they follow from the place.

    Args:
        plan: Plans the group at a place.
    """

    def __init__(self, plan: Callable[[KeyT], GroupT]) -> None:
        self._plan = plan
        self._groups: OrderedDict[KeyT, GroupT] = OrderedDict()
        self._planning: set[KeyT] = set()
        self._changed = Condition()  # guards both; tells those who wait that a group is no longer being planned

    def get(self, key: KeyT) -> GroupT:
        """Returns the group at a place. If two threads ask for it, one plans it, and the other waits."""
        with self._changed:
            if key in self._planning:
                with Doing(_waiting, Work.NOTHING):
                    self._changed.wait_for(lambda: key not in self._planning)
            if key in self._groups:
                return self._groups[key]
            self._planning.add(key)
        try:
            group = self._plan(key)
            with self._changed:
                self._groups[key] = group
                while len(self._groups) > _KEPT:
                    self._groups.popitem(last=False)
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
            if key in self._groups or key in self._planning:
                return

        def task() -> None:
            with suppress(Exception):  # Also errors of a thread when the program ends.
                self.get(key)

        run(task)


def _waiting() -> str:
    return "waiting for documents that another thread measures"
