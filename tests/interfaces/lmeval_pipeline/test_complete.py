"""The fields that are added to a batch: shapes and dtypes. The items are not changed."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from resumable_data.batch import LLMIndexedBatch
from resumable_data.lmeval_pipeline import CompleteLLMIndexedBatch, empty_llm_indexed_sample


def tokens(rows: int, length: int) -> dict[str, Any]:
    values = np.arange(rows * length, dtype=np.int32).reshape(rows, length)
    return {"inputs": values, "targets": values + 1, "idx": 6}


@pytest.mark.parametrize(("rows", "length"), [(1, 1), (1, 4), (3, 4), (4, 3), (3, 3)])
def test_positions_count_along_each_row(rows: int, length: int) -> None:
    item = CompleteLLMIndexedBatch().map(tokens(rows, length))

    for name in ("inputs_position", "targets_position"):
        assert item[name].tolist() == [list(range(length))] * rows
        assert item[name].dtype == np.int32
    for name, values in (("document_idx", [7] * rows), ("sequence_idx", [0] * rows)):
        assert (item[name].tolist(), item[name].dtype) == (values, np.int32)
    assert item["_document_borders"].shape == (rows, length)
    assert not item["_document_borders"].any()


def test_what_is_there_stays_and_the_item_is_not_changed() -> None:
    given = {**tokens(1, 3), "sequence_idx": np.array([5]), "inputs_position": np.array([[7, 8, 9]])}
    before = set(given)
    item = CompleteLLMIndexedBatch().map(given)

    assert item["sequence_idx"].tolist() == [5]
    assert item["inputs_position"].tolist() == [[7, 8, 9]]
    assert item["targets_position"].tolist() == [[0, 1, 2]]
    assert set(given) == before


def test_without_an_index_there_is_no_number() -> None:
    given = tokens(1, 3)
    del given["idx"]

    assert "document_idx" not in CompleteLLMIndexedBatch().map(given)


def test_several_documents_have_their_numbers() -> None:
    item = CompleteLLMIndexedBatch().map({**tokens(2, 3), "idx": np.array([4, 0])})

    assert item["document_idx"].tolist() == [5, 1]


def test_padding_is_a_batch_of_zeros() -> None:
    sample = empty_llm_indexed_sample()

    assert set(sample) == {field.name for field in fields(LLMIndexedBatch)}
    assert all(not values.any() for values in sample.values())
    integers = {values.dtype for name, values in sample.items() if name != "_document_borders"}
    assert integers == {np.dtype(np.int32)}
    assert sample["_document_borders"].dtype == bool
    LLMIndexedBatch(**sample)
