"""A lock that a thread holds while its process forks is open in the child."""

import os

import pytest

from resumable_data.locks import ForkLock


def test_a_lock_excludes() -> None:
    lock = ForkLock()

    with lock:
        assert not lock._lock.acquire(blocking=False)
    assert lock._lock.acquire(blocking=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_lock_that_is_held_is_open_in_a_fork() -> None:
    lock = ForkLock()

    with lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if lock._lock.acquire(blocking=False) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not lock._lock.acquire(blocking=False)
