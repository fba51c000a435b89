"""Padding: at the end, of the right kind, and never scored."""

from __future__ import annotations

import pickle
from typing import Any

import datasets
import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.grain_data_processing import PaddedDataset, load_array_record_dataset, pad_dataset

DOCUMENTS = [[1, 2, 3], [4], [5, 6]]


def test_array_records_are_padded_with_no_bytes_and_hugging_face_records_with_no_text(corpus: Any) -> None:
    records = pad_dataset(load_array_record_dataset(corpus.text / "train"), 16, "text")
    assert (len(records), records.full_dataset_length, records.column_name) == (80, 80, "text")
    assert records[69] == corpus.texts[69].encode()
    assert records[70] == records[79] == records.empty_sequence == b""

    table = datasets.Dataset.from_dict({"text": ["one", "two"], "n": [1, 2]})
    padded = PaddedDataset(table, 3, "text")
    assert [padded[index] for index in range(3)] == [{"text": "one", "n": 1}, {"text": "two", "n": 2}, {"text": ""}]
    assert padded.dataset is table
    tokens = PaddedDataset(datasets.Dataset.from_dict({"ids": [[1, 2]]}), 2, "ids")
    assert tokens.empty_sequence == {"ids": []}


@pytest.mark.parametrize(("records", "batch", "padded"), [(10, 4, 12), (12, 4, 12), (1, 8, 8)])
def test_the_length_is_rounded_up_to_whole_batches(records: int, batch: int, padded: int) -> None:
    assert len(pad_dataset([[1]] * records, batch, "text")) == padded


def test_it_ends_where_its_length_says() -> None:
    padded = PaddedDataset(rd.InMemorySource(DOCUMENTS), 5, "text")
    assert [len(record) for record in padded] == [3, 1, 2, 0, 0]
    for index in (5, 100, -1):
        with pytest.raises(IndexError, match="records 0 to 4"):
            padded[index]
    shorter = PaddedDataset(rd.InMemorySource(DOCUMENTS), 2, "text")
    assert [len(record) for record in shorter] == [3, 1]
    with pytest.raises(IndexError, match="records 0 to 1"):
        shorter.read(np.array([2]))


@pytest.mark.parametrize("add_eod", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_padding_scores_nothing_whatever_is_added_to_documents(add_eod: bool, known: bool) -> None:
    documents = rd.Dataset.from_source(PaddedDataset(rd.InMemorySource(DOCUMENTS), 6, "text"))
    documents = documents if known else documents.map(list, name="as a list")
    documents = documents.append_eod(9) if add_eod else documents
    (batch,) = documents.pad(4, eod_id=9).batch(6, drop_remainder=False, shards=1)
    assert np.count_nonzero(batch.targets_segmentation) == 6 + 3 * add_eod
    assert not batch.targets[3:].any()
    assert not batch.targets_segmentation[3:].any()


def test_padding_at_the_front_of_a_shuffled_window_writes_into_no_document() -> None:
    documents = rd.Dataset.from_source(PaddedDataset(rd.InMemorySource(DOCUMENTS), 24, "text")).shuffle(3)
    (batch,) = documents.append_eod(9).pad(4, eod_id=9).batch(24, drop_remainder=False)
    rows = sorted(row[row > 0].tolist() for row in batch.targets if row.any())
    assert rows == sorted([*document, 9] for document in DOCUMENTS)


def test_padding_among_tokens_that_are_read_together_has_no_token_and_a_mark() -> None:
    read = PaddedDataset(rd.SyntheticSource(3, lengths=[2]), 5, "text").read(np.array([4, 0, 3, 2]))
    assert read.tokens.lengths.tolist() == [0, 2, 0, 2]
    assert read.dropped.tolist() == [True, False, True, False]
    assert isinstance(PaddedDataset(rd.SyntheticSource(3, lengths=[2]), 5, "text").read(np.array([0, 2])), Ragged)


def test_a_fingerprint_tells_lengths_and_content_apart() -> None:
    source = rd.InMemorySource(DOCUMENTS)
    prints = {
        PaddedDataset(source, 3, "text").fingerprint(),
        PaddedDataset(source, 4, "text").fingerprint(),
        PaddedDataset(rd.InMemorySource([[1]]), 4, "text").fingerprint(),
    }
    assert len(prints) == 3
    copied = pickle.loads(pickle.dumps(PaddedDataset(source, 4, "text")))
    assert copied.fingerprint() in prints


def test_what_cannot_be_padded_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="at least 1 record"):
        PaddedDataset(DOCUMENTS, 0, "text")
    with pytest.raises(rd.PipelineError, match="at least 1 row"):
        pad_dataset(DOCUMENTS, 0, "text")
    with pytest.raises(rd.PipelineError, match="random access"):
        pad_dataset(iter(DOCUMENTS), 4, "text")
    with pytest.raises(rd.PipelineError, match="a record is a float"):
        _ = PaddedDataset([0.5], 2, "text").empty_sequence
    with pytest.raises(rd.SourceError, match="no column 'text', only n"):
        _ = PaddedDataset([{"n": 1}], 2, "text").empty_sequence
