"""The threads that must be gone after everything is closed."""

from __future__ import annotations

import threading


def threads() -> set[threading.Thread]:
    """Returns the living threads, without the one that watches waits, which ends by itself."""
    return {thread for thread in threading.enumerate() if thread.name != "resumable_data watch"}
