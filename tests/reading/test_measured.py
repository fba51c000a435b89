"""Documents that are read to be measured are read once, as long as there is room to keep them."""

import numpy as np
from resumable_data.reading.measured import Measured

from resumable_data.arrays import Ragged
from resumable_data.reading.documents import Documents, Sizes


class Halved:
    """Document r has r tokens, and lost r // 2 before; records that end in 7 are dropped."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def read(self, records: np.ndarray) -> Documents:
        return Documents([[0] * int(record) for record in records])

    def read_tokens(self, records: np.ndarray) -> Documents:
        self.calls.append(records.tolist())
        dropped = records % 10 == 7
        found = Ragged.from_records(
            [np.arange(0 if drop else record) for record, drop in zip(records, dropped, strict=True)]
        )
        return Documents(found, dropped, truncated=records // 2)

    def measure(self, records: np.ndarray) -> Sizes:
        raise AssertionError("they are not known")

    def name_of(self, record: int) -> str:
        return f"record {record}"


def test_lengths_are_those_of_the_documents_and_minus_one_where_dropped() -> None:
    measured = Measured(Halved())

    assert measured.measure(np.array([3, 17, 0, 3])).lengths.tolist() == [3, -1, 0, 3]
    assert [tokens.tolist() for tokens in measured.read_tokens(np.array([2, 7]))] == [[0, 1], []]


def test_what_documents_lost_is_told_and_nothing_of_dropped_ones() -> None:
    documents = Halved()
    measured = Measured(documents)

    for _ in range(2):
        found = measured.measure(np.array([3, 17, 0, 8, 3])).truncated
        assert found is not None
        assert found.tolist() == [1, 0, 0, 4, 1]
    assert documents.calls == [[3, 17, 0, 8]]


def test_each_document_is_read_once_in_as_few_calls_as_possible() -> None:
    documents = Halved()
    measured = Measured(documents)
    measured.measure(np.array([5, 1, 5, 9]))
    measured.read_tokens(np.array([9, 5, 4]))
    measured.read_tokens(np.array([4, 1]))

    assert documents.calls == [[5, 1, 9], [4]]


def test_what_does_not_fit_is_read_again() -> None:
    documents = Halved()
    measured = Measured(documents, kept_bytes=300)
    for _ in range(2):
        assert [len(tokens) for tokens in measured.read_tokens(np.array([1, 2, 3, 4]))] == [1, 2, 3, 4]

    assert documents.calls[0] == [1, 2, 3, 4]
    assert documents.calls[1] == [1, 2]


def test_a_document_longer_than_all_room_is_delivered() -> None:
    measured = Measured(Halved(), kept_bytes=10)

    assert measured.measure(np.array([1000])).lengths.tolist() == [1000]
    assert len(measured.read_tokens(np.array([1000]))[0]) == 1000
