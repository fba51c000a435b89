from collections.abc import Sequence

import numpy as np
import pytest

from resumable_data.errors import RecordError, SourceError
from resumable_data.sources.in_memory import InMemorySource

RECORDS = [[1, 2, 3], [], [4], [5, 6]]


class Squares(Sequence):
    """A sequence that is computed, and notes what is asked for."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        self.asked.append(index)
        return index * index


@pytest.mark.parametrize("indices", [[], [0], [3, 1, 1, 0]])
def test_records_and_lengths_come_in_the_order_asked_for(indices: list[int]) -> None:
    source = InMemorySource(RECORDS)
    assert source.read(np.array(indices, np.int64)) == [RECORDS[index] for index in indices]
    lengths = source.lengths(np.array(indices, np.int64))
    assert lengths.tolist() == [len(RECORDS[index]) for index in indices]
    assert lengths.dtype == np.int64


def test_records_may_be_anything_that_can_be_indexed() -> None:
    assert InMemorySource(Squares(10)).read(np.array([3, 2])) == [9, 4]
    assert InMemorySource(range(5, 9)).read(np.array([2])) == [7]
    assert InMemorySource(np.eye(2)).read(np.array([1]))[0].tolist() == [0, 1]


def test_a_source_without_records_is_refused() -> None:
    with pytest.raises(SourceError, match="toy has no records"):
        InMemorySource([], "toy")


@pytest.mark.parametrize("outside", [-1, 4])
def test_an_index_outside_is_refused(outside: int) -> None:
    with pytest.raises(IndexError, match=f"toy has records 0 to 3; asked for {outside}"):
        InMemorySource(RECORDS, "toy").read(np.array([0, outside]))


def test_a_record_without_length_is_named() -> None:
    with pytest.raises(RecordError, match=r"toy, record 2: .* a document is a sequence of tokens"):
        InMemorySource([[1], [2], 3], "toy").lengths(np.array([1, 2, 0]))


def test_equal_records_have_equal_fingerprints_whatever_the_source_is_called() -> None:
    copies = [list(record) for record in RECORDS]
    assert InMemorySource(RECORDS).fingerprint() == InMemorySource(copies, "other").fingerprint()


@pytest.mark.parametrize(
    "changed",
    [
        [[1, 2, 3], [], [4], [5, 7]],
        [[1, 2, 3], [], [4]],
        [[1, 2, 3], [4], [], [5, 6]],
        [[1, 2], [3], [4], [5, 6]],
        [*RECORDS, []],
    ],
)
def test_other_records_have_another_fingerprint(changed: list[list[int]]) -> None:
    assert InMemorySource(changed).fingerprint() != InMemorySource(RECORDS).fingerprint()


def test_the_fingerprint_samples_a_large_source_evenly() -> None:
    records = Squares(10**9)
    source = InMemorySource(records)
    records.asked.clear()
    source.fingerprint()
    assert len(records.asked) == 1024
    assert {0, 10**9 - 1} <= set(records.asked)


def test_the_number_of_records_counts_beyond_the_sample() -> None:
    assert InMemorySource([0] * 5000).fingerprint() != InMemorySource([0] * 5001).fingerprint()


def test_a_source_says_what_it_is() -> None:
    assert repr(InMemorySource(RECORDS, "toy")) == "toy (4 records)"
