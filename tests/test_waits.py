"""A wait that is long is explained, and a short one is not. What blocks looks at the log as after a long time."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.strategies import Unmeasured
from resumable_data import waits

LONGEST = 60.0


class Released(logging.Handler):
    """Lets go of what blocks as soon as a line has a text.

    Args:
        text: The text.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.event = Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if self.text in self.lines[-1]:
            self.event.set()

    def block(self) -> None:
        """Logs waits as if they were long, until the text comes. Another thread may begin to wait after this one."""
        end = time.monotonic() + LONGEST
        while not self.event.wait(0.01):
            assert time.monotonic() < end, self.lines
            waits.log_waits(time.monotonic() + waits.FIRST_SECONDS)


@pytest.fixture
def released() -> Iterator[Callable[[str], Released]]:
    handlers: list[Released] = []

    def make(text: str) -> Released:
        handlers.append(Released(text))
        logging.getLogger("resumable_data").addHandler(handlers[-1])
        return handlers[-1]

    yield make
    for handler in handlers:
        logging.getLogger("resumable_data").removeHandler(handler)


class Slow(rd.InMemorySource):
    """Documents of a storage that does not answer for a while."""

    def __init__(self, block: Callable[[], None]) -> None:
        super().__init__([[1, 2], [3, 4]] * 8, "slow storage")
        self._block = block

    def read(self, indices: Any) -> Any:
        self._block()
        return super().read(indices)

    def lengths(self, indices: Any) -> Any:
        return np.full(len(indices), 2)

    def fingerprint(self) -> str:
        return "slow"


@pytest.mark.parametrize("prefetch", [0, 2])
def test_storage_that_does_not_answer_is_named(released: Any, prefetch: int) -> None:
    handler = released("reading")
    data = rd.Dataset.from_source(Slow(handler.block), name="web").pack(4, eod_id=0).batch(2)
    with iter(data.prefetch(prefetch) if prefetch else data) as iterator:
        assert next(iterator).inputs.shape == (2, 4)

    (line,) = [line for line in handler.lines if "reading" in line]
    assert re.match(r"element 0: waiting for \d+ s; in progress: ", line)
    assert "records of component 'web' from slow storage (16 records)" in line
    assert handler.lines[-1].startswith("element 0: the wait is over after")


def test_it_is_said_again_after_a_longer_time(released: Any) -> None:
    handler = released("never")
    seen: list[int] = []

    def block() -> None:
        if not seen:
            now = time.monotonic()
            for seconds in (0, waits.FIRST_SECONDS, 30, waits.FIRST_SECONDS + waits.AGAIN_SECONDS):
                waits.log_waits(now + seconds)
                seen.append(len(handler.lines))

    next(iter(rd.Dataset.from_source(Slow(block), name="web").pack(4, eod_id=0).batch(2)))
    assert seen == [0, 1, 1, 2]


def test_a_thread_looks_at_the_waits(released: Any) -> None:
    handler = released("element 7: waiting")
    with waits.Waiting(lambda: "element 7", first_seconds=0):
        assert handler.event.wait(LONGEST)


@pytest.mark.parametrize("measured", [True, False])
def test_a_function_that_is_slow_is_named_with_the_document(released: Any, measured: bool) -> None:
    handler = released("map of")

    def slow(document: Any) -> Any:
        handler.block()
        return document

    source = rd.InMemorySource([[1, 2]] * 16, "books")
    documents = rd.Dataset.from_source(source, name="web").map(slow, name="slow", preserves_length=not measured)
    next(iter(documents.pack(4, eod_id=0).batch(2)))
    lines = [line for line in handler.lines if "map of" in line]
    assert f"map of {8 if measured else 4} documents, from books (16 records), record 0 on" in lines[0]


def test_planning_is_named(released: Any) -> None:
    handler = released("planning")

    class Index(rd.InMemorySource):
        def lengths(self, indices: Any) -> Any:
            handler.block()
            return np.full(len(indices), 2)

    next(iter(rd.Dataset.from_source(Index([[1, 2]] * 8)).pack(4, eod_id=0).batch(2)))
    assert any(line.endswith("in progress: planning") for line in handler.lines)


def test_a_function_of_batches_is_named(released: Any) -> None:
    handler = released("map_batches")

    def slow(batch: Any) -> Any:
        handler.block()
        return batch

    next(iter(rd.Dataset.from_source(rd.InMemorySource([[1, 2]] * 8)).pack(4, eod_id=0).batch(2).map_batches(slow)))
    assert any("slow" in line for line in handler.lines)


def test_a_restore_that_plans_is_explained(released: Any) -> None:
    source = Unmeasured(rd.InMemorySource([[number] * 3 for number in range(1, 40)]))
    data = rd.Dataset.from_source(source).pack(8, eod_id=0, window=8).batch(2)
    iterator = iter(data)
    next(iterator)
    state = iterator.get_state()
    handler = released("a position to go to")
    source.read = lambda indices, read=source.read: (handler.block(), read(indices))[1]  # type: ignore[method-assign]
    fresh = iter(rd.Dataset.from_source(source).pack(8, eod_id=0, window=8).batch(2))
    fresh.set_state(state)
    assert any(line.startswith("a position to go to: waiting") for line in handler.lines)


def test_what_is_quick_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    list(rd.Dataset.from_source(rd.InMemorySource([[1, 2]] * 8)).pack(4, eod_id=0).batch(2).prefetch(2))
    assert not caplog.records
    assert not waits.activities()


def test_an_error_leaves_nothing_in_progress() -> None:
    def fail() -> None:
        raise OSError("no such bucket")

    documents = rd.Dataset.from_source(Slow(fail), retries=rd.Retries(attempts=1))
    with pytest.raises(rd.SourceError, match="no such bucket"):
        next(iter(documents.pack(4, eod_id=0).batch(2)))
    assert not waits.activities()
    assert not waits._waits


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*fork.*:RuntimeWarning")
def test_a_forked_child_has_a_watcher_of_its_own(released: Any) -> None:
    with waits.Waiting(lambda: "outer"):
        pass
    assert waits._watcher.runs
    child = os.fork()
    if not child:
        code = 1
        try:
            before = waits._watcher.runs
            with waits.Waiting(lambda: "inner"):
                code = 0 if not before and waits._watcher.runs else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
