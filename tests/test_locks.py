"""A lock that a thread holds while its process forks is open in the child."""

import os
import pickle
import threading

import pytest

from resumable_data.locks import ForkLock


def is_open_to_another_thread(lock: ForkLock) -> bool:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(lock._lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    return found[0]


def test_a_lock_excludes_other_threads_and_not_its_own() -> None:
    lock = ForkLock()

    with lock, lock:
        assert not is_open_to_another_thread(lock)
    assert is_open_to_another_thread(lock)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*fork.*:RuntimeWarning")
def test_a_lock_that_is_held_is_open_in_a_fork() -> None:
    lock = ForkLock()

    with lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if is_open_to_another_thread(lock) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not is_open_to_another_thread(lock)


def test_a_copy_of_a_lock_is_open() -> None:
    lock = ForkLock()

    with lock:
        assert is_open_to_another_thread(pickle.loads(pickle.dumps(lock)))
