"""Clocks of threads, which are told the time by the tests."""

from __future__ import annotations

from itertools import count
from threading import Thread

import pytest

from resumable_data.timing import Clocks, Running, Work, clocks_by_thread, counted_here
from resumable_data.waits import Doing


def ticking() -> Clocks:
    """Clocks for which a second passes whenever one is looked at."""
    ticks = count()
    return Clocks(lambda: float(next(ticks)))


def seconds(clocks: Clocks) -> dict[str, float]:
    return {work.name: clocks.seconds(work) for work in Work if clocks.seconds(work)}


def test_what_is_done_within_something_else_does_not_count_as_that() -> None:
    clocks = ticking()
    with clocks.running(), Doing(str, Work.PLANNING):
        for _ in range(2):
            with Doing(str, Work.READING):
                pass

    # Two looks begin and end the block; each work within takes one second, and leaves one before, between and after.
    assert seconds(clocks) == {"NOTHING": 2.0, "PLANNING": 3.0, "READING": 2.0}


def test_time_between_blocks_counts_for_nothing() -> None:
    clocks = ticking()
    running = Running(clocks.make())
    for _ in range(2):
        with running:
            pass
        clocks.now()

    assert seconds(clocks) == {"NOTHING": 2.0}


def test_an_error_ends_what_was_done() -> None:
    clocks = ticking()
    with pytest.raises(KeyError), clocks.running(), Doing(str, Work.READING):
        raise KeyError

    assert clocks_by_thread == {}
    assert seconds(clocks) == {"NOTHING": 2.0, "READING": 1.0}


def test_of_two_iterators_in_one_thread_each_counts_its_own() -> None:
    outer, inner = ticking(), ticking()
    with outer.running(), Doing(str, Work.MAPPING):
        with inner.running(), Doing(str, Work.READING):
            pass
        with Doing(str, Work.PLACING):
            pass

    assert seconds(inner) == {"NOTHING": 2.0, "READING": 1.0}
    assert seconds(outer) == {"NOTHING": 2.0, "MAPPING": 2.0, "PLACING": 1.0}


def test_a_clock_is_used_again() -> None:
    clocks = ticking()
    for _ in range(100):
        with clocks.running():
            first = clocks_by_thread.copy()
    with clocks.running():
        assert clocks_by_thread == first


def test_a_task_for_another_thread_counts_for_the_same_iterator() -> None:
    clocks = ticking()

    def task() -> None:
        with Doing(str, Work.READING):
            pass

    def run(counted: object) -> None:
        thread = Thread(target=counted)  # type: ignore[arg-type]
        thread.start()
        thread.join()

    assert counted_here(task) is task
    with clocks.running():
        run(task)
        assert clocks.seconds(Work.READING) == 0.0
        run(counted_here(task))

    assert clocks.seconds(Work.READING) == 1.0


def test_outside_of_an_iterator_nothing_is_counted() -> None:
    with Doing(str, Work.READING):
        assert clocks_by_thread == {}
