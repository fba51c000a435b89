"""How many documents are read together: told plain numbers, so that no clock has a part in it."""

from __future__ import annotations

import pytest

import resumable_data as rd
from resumable_data.engines.pace import Pace
from resumable_data.sources.grain_source import GrainSource


def counts(pace: Pace, reads: int, seconds: float = 0.0, call: float = 0.0, size: int = 100) -> list[int]:
    """How many documents each read has, where a call and each document of it take so many seconds."""
    found: list[int] = []
    for _ in range(reads):
        found.append(pace.count)
        pace.note(pace.count, call + seconds * pace.count, size * pace.count)
    return found


def test_reads_of_quick_documents_double_up_to_the_most() -> None:
    assert counts(Pace(20), 7) == [1, 2, 4, 8, 16, 20, 20]


def test_slow_documents_are_read_as_many_as_come_in_a_fifth_of_a_second() -> None:
    assert counts(Pace(1000), 9, seconds=1 / 64) == [1, 2, 4, 8, 12, 12, 12, 12, 12]
    assert counts(Pace(1000), 4, seconds=3.0) == [1, 2, 1, 1]


def test_a_slow_call_is_worth_more_documents() -> None:
    assert counts(Pace(64), 8, call=0.5) == [1, 2, 4, 8, 16, 32, 64, 64]


@pytest.mark.parametrize(("size", "last"), [(2**20, 16), (2**24, 1), (2**26, 1), (3 * 2**20, 5), (2**10, 300)])
def test_large_documents_are_read_as_many_as_fit(size: int, last: int) -> None:
    assert counts(Pace(300), 12, size=size)[-1] == last


def test_documents_that_grow_are_read_fewer_at_a_time() -> None:
    pace = Pace(256)
    assert counts(pace, 9)[-1] == 256
    pace.note(256, 0.0, 256 * 2**20)
    assert pace.count == 16


def test_it_begins_again_after_a_failure() -> None:
    pace = Pace(64)
    counts(pace, 5)
    pace.restart()

    assert counts(pace, 3) == [1, 2, 4]


class Calls:
    """Records that note how many are read before each is asked for, by one call or one by one."""

    def __init__(self, size: int) -> None:
        self.calls = 0
        self.size = size

    def __len__(self) -> int:
        return 2000

    def __getitem__(self, index: int) -> bytes:
        self.calls += 1
        return bytes(self.size)


class Together(Calls):
    def __getitems__(self, indices: list[int]) -> list[bytes]:
        return [self[index] for index in indices]


@pytest.mark.parametrize("skipping", [False, True])
@pytest.mark.parametrize(("source", "most"), [(Calls(10), 1), (Together(10), 256), (Together(3 * 2**20), 5)])
def test_one_element_makes_no_more_calls_than_a_read_has_documents(source: Calls, most: int, skipping: bool) -> None:
    source.calls = 0
    data = rd.Dataset.from_source(GrainSource(source, fingerprint="calls"))
    iterator = iter(data.skip_bad_records(at_most=1) if skipping else data)
    worst = before = 0
    for _ in range(600 if source.size < 100 else 30):
        next(iterator)
        worst, before = max(worst, source.calls - before), source.calls

    assert worst == most
