"""Waits for threads that were told to end, but not for ever."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from threading import Thread, current_thread

# A read of hundreds of records takes less. The caller may have an error to report, and should not wait longer.
_PATIENCE_SECONDS = 2.0

_LOG = logging.getLogger(__name__)


def join_all(threads: Sequence[Thread]) -> None:
    """Waits for threads, at most two seconds together. A thread that does not end keeps running, with a warning.

    The garbage collector may call this in one of the threads, which then end on their own.
    """
    if current_thread() in threads:
        return
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread.name for thread in threads if thread.is_alive()]
    if left:
        _LOG.warning(
            "%s: the thread does not end within %g s, since storage, or a user's function, does not return. It "
            "keeps running, and ends when that does",
            ", ".join(left),
            _PATIENCE_SECONDS,
        )
