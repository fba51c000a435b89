import numpy as np
import pytest

import resumable_data as rd


class Noting(rd.InMemorySource):
    """Notes what is read in which call."""

    calls: list[list[int]]

    def read(self, indices: np.ndarray) -> list[object]:
        getattr(self, "calls", []).append(indices.tolist())
        return super().read(indices)

    def lengths(self, indices: np.ndarray) -> np.ndarray:
        return np.array([len(self._records[index]) for index in indices], np.int64)


def noting(records: list[list[int]]) -> tuple[Noting, rd.Dataset[list[int]]]:
    source = Noting(records)
    documents = rd.Dataset.from_source(source)
    source.calls = []
    return source, documents


def test_a_document_is_read_once_for_all_its_rows() -> None:
    source, documents = noting([[1] * 9, [2] * 3])
    next(iter(documents.pack(3, strategy="first_fit", eod_id=0).batch(4)))

    assert source.calls == [[0, 1]]


def test_several_batches_are_read_in_one_call_and_each_document_once() -> None:
    source, documents = noting([[number] for number in range(64)])
    list(documents.pack(1, eod_id=0).batch(1))

    assert len(source.calls) < 10
    assert sorted(record for call in source.calls for record in call) == list(range(64))


def test_the_first_batch_waits_for_no_other() -> None:
    source, documents = noting([[number] for number in range(64)])
    next(iter(documents.pack(1, eod_id=0).batch(2)))

    assert source.calls == [[0, 1]]


def test_taking_a_state_and_setting_it_read_nothing() -> None:
    source, documents = noting([[number] for number in range(64)])
    iterator = iter(documents.pack(1, eod_id=0).batch(2))
    iterator.set_state(iterator.get_state())
    iterator.progress()

    assert source.calls == []


@pytest.mark.parametrize("row", ["pack", "pad"])
def test_a_record_that_changed_after_it_was_indexed_is_named(row: str) -> None:
    class Changed(rd.InMemorySource):
        def lengths(self, indices: np.ndarray) -> np.ndarray:
            return np.full(len(indices), 2)

    documents = rd.Dataset.from_source(Changed([[1, 2], [3, 4, 5]], name="corpus"))
    rows = getattr(documents, row)(2, eod_id=0)

    with pytest.raises(rd.RecordError, match=r"corpus.*record 1 has 3 tokens, but .* 2\b.*data changed"):
        list(rows.batch(1))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([[1, 2], [3, 4]], "one-dimensional"),
        ([1.5, 2.5], "tokens are integers"),
        ([2**31, 0], "int32 cannot hold"),
        ("ab", "is text"),
    ],
)
def test_a_record_that_is_no_document_is_named(record: object, message: str) -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2], record], name="corpus"))
    batches = documents.pad(2, eod_id=0).batch(1)
    iterator = iter(batches)
    next(iterator)

    with pytest.raises(rd.RecordError, match=rf"corpus.*record 1\b.*{message}"):
        next(iterator)
