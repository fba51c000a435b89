from typing import Any

import numpy as np
import pytest

import resumable_data as rd


class Watched:
    """A source that notes what is read of it."""

    def __init__(self, lengths: list[int]) -> None:
        self._source = rd.InMemorySource([[record] * length for record, length in enumerate(lengths)])
        self.read_records: set[int] = set()

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return "watched source"

    def read(self, indices: Any) -> Any:
        self.read_records |= set(indices.tolist())
        return self._source.read(indices)

    def lengths(self, indices: Any) -> Any:
        return self._source.lengths(indices)

    def fingerprint(self) -> str:
        return self._source.fingerprint()


def long(lengths: np.ndarray) -> np.ndarray:
    return lengths >= 3


def short(lengths: np.ndarray) -> np.ndarray:
    return lengths < 5


def tokens(dataset: Any) -> list[list[int]]:
    return [np.asarray(document).tolist() for document in dataset]


def test_documents_are_kept_by_their_lengths() -> None:
    source = Watched([2, 3, 7, 0, 4])
    filtered = rd.Dataset.from_source(source).filter(on_lengths=long).filter(on_lengths=short)

    assert tokens(filtered) == [[1] * 3, [4] * 4]


def test_lengths_stay_known_and_what_is_left_out_is_never_read() -> None:
    source = Watched([2, 3, 7, 0, 4])
    filtered = rd.Dataset.from_source(source).filter(on_lengths=long).append_eod(9).filter(on_lengths=short)
    assert filtered.node.lengths_known
    batches = filtered.pack(5, strategy="first_fit", eod_id=9).batch(1)
    iterator = iter(batches)
    assert [batch.targets.tolist() for batch in iterator] == [[[1, 1, 1, 9, 0]]]

    assert source.read_records == {1}
    assert iterator.progress().dropped == 4
    assert batches.node.shards_of(None) is None


def test_lengths_that_show_by_reading_are_filtered_too() -> None:
    records = [[record] * record for record in range(8)]
    grown = rd.Dataset.from_source(rd.InMemorySource(records)).map(lambda document: [*document, 0], name="one more")
    filtered = grown.filter(on_lengths=long).append_eod(9)
    assert not filtered.node.lengths_known

    kept = [[*record, 0, 9] for record in records if len(record) >= 2]
    assert tokens(filtered) == kept
    rows = filtered.pad(12, eod_id=9)
    assert [row.targets[row.targets_segmentation > 0].tolist() for row in rows] == kept


def test_documents_that_are_left_out_already_are_not_asked_about() -> None:
    asked: list[int] = []

    def noted(lengths: np.ndarray) -> np.ndarray:
        asked.extend(lengths.tolist())
        return lengths > 0

    source = rd.InMemorySource([[1], [2, 2], [3, 3, 3]])
    first = rd.Dataset.from_source(source).filter(lambda document: len(document) != 2, name="not two")
    assert tokens(first.filter(on_lengths=noted, name="noted")) == [[1], [3, 3, 3]]
    assert sorted(asked) == [1, 3]
    iterator = iter(first.filter(on_lengths=long).pad(4, eod_id=0))
    assert [row.targets.tolist() for row in iterator] == [[3, 3, 3, 0]]
    assert iterator.progress().dropped == 2

    chain = rd.Dataset.from_source(source).filter(on_lengths=long).filter(on_lengths=long).node
    assert chain.reader().lengths(np.arange(3)).tolist() == [-1, -1, 3]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (lambda lengths: True, "True"),
        (lambda lengths: lengths, r"int64\[3\]"),
        (lambda lengths: lengths[:2] > 0, r"bool\[2\]"),
        (lambda lengths: np.bool_(True), "np.True_"),
    ],
)
def test_an_answer_of_another_form_is_refused(answer: Any, found: str) -> None:
    filtered = rd.Dataset.from_source(Watched([1, 2, 3])).filter(on_lengths=answer, name="odd")

    with pytest.raises(rd.PipelineError, match=rf"on_lengths=odd gives {found} for int64\[3\]; it returns bool\[3\]"):
        next(iter(filtered.pack(4, eod_id=0).batch(1)))


def test_a_failing_predicate_is_named() -> None:
    filtered = rd.Dataset.from_source(Watched([1, 2, 3])).filter(on_lengths=lambda lengths: 1 // 0, name="broken")

    with pytest.raises(rd.PipelineError, match="on_lengths=broken fails on 3 lengths: ZeroDivisionError"):
        next(iter(filtered.pack(4, eod_id=0).batch(1)))


def test_the_packing_report_counts_what_is_left_out() -> None:
    report = rd.Dataset.from_source(Watched([2, 3, 7, 0, 4])).filter(on_lengths=long).pack(8, eod_id=0).packing()

    assert (report.documents, report.dropped, report.tokens) == (3, 2, 14)


def test_the_lengths_of_mappings_are_those_of_the_tokens_that_are_named() -> None:
    records = [{"ids": [1, 2], "other": [0]}, {"ids": [1] * 9, "other": [0]}, {"ids": [3] * 4, "other": [0]}]
    documents = rd.Dataset.from_source(rd.InMemorySource(records))
    kept = documents.filter(on_lengths=lambda lengths: lengths <= 4, tokens="ids", name="short")

    assert list(kept) == [records[0], records[2]]
    (batch,) = kept.pad(4, eod_id=0, tokens="ids").batch(2)
    assert batch.targets.tolist() == [[1, 2, 0, 0], [3, 3, 3, 3]]


def test_a_key_of_tokens_goes_with_lengths() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([{"ids": [1]}]))
    with pytest.raises(rd.PipelineError, match="tokens= goes with on_lengths="):
        documents.filter(bool, tokens="ids")
