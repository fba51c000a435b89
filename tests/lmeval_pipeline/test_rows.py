"""The row of a request, and the rows of the windows of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resumable_data.lmeval_pipeline.rows import RequestRows
from resumable_data.lmeval_pipeline.tokens import RequestTokens


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
