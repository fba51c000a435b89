"""Locks that are open in a forked process, even if a thread of its parent held them."""

from __future__ import annotations

import os
import threading
import weakref
from types import TracebackType

_all: weakref.WeakSet[ForkLock] = weakref.WeakSet()


class ForkLock:
    """A reentrant lock that is open again in a forked child, where the thread that held it does not exist.

    The guarded data must be sound at any moment, or be made again in the child.

    >>> with ForkLock():
    ...     pass
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _all.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[ForkLock], tuple[()]]:
        """Makes the copy in another process an open lock of its own."""
        return ForkLock, ()

    def reopen(self) -> None:
        """Makes a new lock."""
        self._lock = threading.RLock()


def _reopen_all() -> None:
    for lock in list(_all):
        lock.reopen()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reopen_all)
