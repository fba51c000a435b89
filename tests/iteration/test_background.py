import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from property_tests.testing.threads import threads
from resumable_data.iteration.background import BackgroundIterator

PATIENCE = 20  # seconds after which a test that hangs fails


def test_elements_come_in_order_and_then_the_end() -> None:
    produced = BackgroundIterator(iter(range(100)), ahead=3)

    assert list(produced) == list(range(100))
    with pytest.raises(StopIteration):
        next(produced)


def test_an_error_comes_behind_the_elements_in_front_of_it() -> None:
    def elements() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("three")

    produced = BackgroundIterator(elements(), ahead=5)

    assert [next(produced), next(produced)] == [1, 2]
    for _ in range(2):
        with pytest.raises(KeyError, match="three"):
            next(produced)


def test_nothing_is_produced_before_the_first_next() -> None:
    asked = threading.Event()

    def elements() -> Iterator[int]:
        asked.set()
        yield 1

    before = threads()
    produced = BackgroundIterator(elements(), ahead=1)
    assert threads() == before
    assert not asked.is_set()

    next(produced)
    assert asked.is_set()
    produced.close()


@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_than_asked_for_waits(ahead: int) -> None:
    made: list[int] = []
    full = threading.Event()

    def elements() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if len(made) == ahead + 2:  # the one taken, those that wait, and the one in hand
                full.set()
            yield number

    produced = BackgroundIterator(elements(), ahead)
    next(produced)
    assert full.wait(PATIENCE)
    produced.close()

    assert len(made) == ahead + 2


def test_closing_ends_the_thread_wherever_it_is() -> None:
    before = threads()
    produced = BackgroundIterator(iter(range(10**9)), ahead=2)
    next(produced)
    (thread,) = threads() - before
    produced.close()
    produced.close()

    assert not thread.is_alive()
    with pytest.raises(StopIteration):
        next(produced)


def test_one_that_never_ran_can_be_closed() -> None:
    produced = BackgroundIterator(iter([1]), ahead=1)
    produced.close()

    with pytest.raises(StopIteration):
        next(produced)


def test_one_that_is_stopped_starts_no_more() -> None:
    before = threads()
    produced = BackgroundIterator(iter([1]), ahead=1)
    produced.stop()
    produced.start()
    with pytest.raises(StopIteration):
        next(produced)

    assert threads() == before


def test_it_can_be_started_before_anything_is_asked_for() -> None:
    asked = threading.Event()

    def elements() -> Iterator[int]:
        asked.set()
        yield 1

    produced = BackgroundIterator(elements(), ahead=1)
    produced.start()
    assert asked.wait(PATIENCE)
    thread = produced.thread
    produced.start()

    assert produced.thread is thread
    assert list(produced) == [1]


def test_the_thread_runs_within_what_is_given() -> None:
    within: list[str] = []

    @contextmanager
    def noting() -> Iterator[None]:
        within.append(threading.current_thread().name)
        yield
        within.append("left")

    assert list(BackgroundIterator(iter([1, 2]), ahead=1, within=noting)) == [1, 2]
    assert within == ["resumable_data prefetch", "left"]
