"""The row of a request, and the rows of the windows of a request."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from resumable_data.interfaces.lmeval_pipeline.rows import RequestRows
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens


def rows_of(*requests: tuple[Sequence[int], Sequence[int]], max_length: int | None = None) -> RequestRows:
    texts = [np.array(part, np.int32) for request in requests for part in request]
    return RequestRows(
        RequestTokens(9, texts, list(range(0, len(texts), 2)), list(range(1, len(texts), 2))), max_length
    )


def cells(rows: RequestRows, index: int) -> list[list[int]]:
    row = rows[index]
    names = ("inputs", "targets", "inputs_segmentation", "targets_segmentation")
    assert {row[name].dtype for name in names} == {np.dtype(np.int32)}
    assert len({row[name].shape for name in names}) == 1
    return [row[name][0].tolist() for name in names]


def test_inputs_are_the_targets_after_bos_and_the_text_alone_is_scored() -> None:
    assert cells(rows_of(([1, 2], [3, 4, 5])), 0) == [
        [9, 1, 2, 3, 4],
        [1, 2, 3, 4, 5],
        [1, 1, 1, 1, 1],
        [0, 0, 1, 1, 1],
    ]
    assert cells(rows_of(([], [3, 4])), 0) == [[9, 3], [3, 4], [1, 1], [1, 1]]


def test_a_request_without_text_scores_nothing() -> None:
    rows = rows_of(([], []), ([1, 2], []))

    assert cells(rows, 0) == [[9], [0], [1], [0]]
    assert cells(rows, 1) == [[9, 1], [1, 2], [1, 1], [0, 0]]
    assert rows.sequences.tolist() == [1, 1]


def test_a_long_request_has_several_rows() -> None:
    rows = rows_of(([7], [1]), ([], [1, 2, 3, 4, 5]), ([], []), max_length=3)

    assert rows.sequences.tolist() == [1, 2, 1]
    assert [(rows[place]["idx"], rows[place]["sequence_idx"].tolist()) for place in range(4)] == [
        (0, [0]),
        (1, [0]),
        (1, [1]),
        (2, [0]),
    ]
    assert cells(rows, 1) == [[9, 1, 2], [1, 2, 3], [1, 1, 1], [1, 1, 1]]
    assert cells(rows, 2) == [[2, 3, 4], [3, 4, 5], [1, 1, 1], [0, 1, 1]]
    assert rows.cut == []


def test_a_long_prefix_loses_its_beginning_and_that_is_known() -> None:
    rows = rows_of(([1], [2]), ([1, 2, 3, 4], [5, 6]), max_length=3)

    assert cells(rows, 1) == [[3, 4, 5], [4, 5, 6], [1, 1, 1], [0, 1, 1]]
    assert rows.cut == [1]


def test_the_fingerprint_knows_the_windows() -> None:
    requests = ([], [1, 2]), ([1], [2, 3])

    assert rows_of(*requests).fingerprint == rows_of(*requests).fingerprint
    assert rows_of(*requests).fingerprint != rows_of(*requests, max_length=2).fingerprint
    assert rows_of(*requests).fingerprint != rows_of(*requests[::-1]).fingerprint


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="needs the package lm_eval: pip install lm_eval"
)
def test_windows_of_a_text_are_those_of_the_harness() -> None:
    from lm_eval.utils import get_rolling_token_windows

    for max_length, length in product(range(1, 8), range(1, 30)):
        text = list(range(10, 10 + length))
        rows = rows_of(([], text), max_length=max_length)
        found = []
        for place in range(len(rows)):
            inputs, targets, _, scored = cells(rows, place)
            found.append((inputs, [target for target, counts in zip(targets, scored, strict=True) if counts]))
        expected = get_rolling_token_windows(text, prefix_token=9, max_seq_len=max_length, context_len=1)
        assert found == [(list(read), list(predicted)) for read, predicted in expected]
