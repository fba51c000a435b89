"""The threads that tests look for when they have closed everything."""

from __future__ import annotations

import threading


def threads() -> set[threading.Thread]:
    """Those that are alive, but the one that watches waits, which ends on its own."""
    return {thread for thread in threading.enumerate() if thread.name != "resumable_data watch"}
