"""Scores of rows added up to scores of requests, or an error that names what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.lmeval_pipeline import Score, aggregate

# The requests have 2, 1 and 3 rows, which come in another order and with rows of padding.
DOCUMENT = np.array([3, 0, 1, 2, 3, 1, 0, 3], np.int32)
SEQUENCE = np.array([2, 0, 1, 0, 0, 0, 0, 1], np.int32)
LOG_PROBS = np.array([-8.0, 99.0, -2.0, -4.0, -16.0, -1.0, 99.0, -32.0], np.float32)
COUNTS = np.array([3, 9, 2, 0, 1, 1, 0, 2], np.int32)
CORRECT = np.array([3, 9, 2, 0, 1, 0, 0, 2], np.int32)
SEQUENCES = np.array([2, 1, 3])


def without(*rows: int) -> list[np.ndarray]:
    return [np.delete(column, rows) for column in (DOCUMENT, SEQUENCE, LOG_PROBS, COUNTS, CORRECT)]


def test_one_score_a_request_in_order() -> None:
    found = aggregate(DOCUMENT, SEQUENCE, LOG_PROBS, COUNTS, CORRECT, SEQUENCES)

    assert found == [Score(-3.0, False, 3), Score(-4.0, True, 0), Score(-56.0, True, 6)]
    assert isinstance(found, list)
    assert all([type(value) for value in score] == [float, bool, int] for score in found)


def test_the_order_of_the_rows_decides_nothing() -> None:
    # The sum of these float32 values depends on their order.
    random = np.random.default_rng(0)
    log_probs = random.normal(size=300).astype(np.float32) * 10.0 ** random.integers(-6, 6, 300)
    document, sequence = np.repeat(np.arange(1, 4), 100), np.tile(np.arange(100), 3)
    ones = np.ones(300, np.int64)
    expected = aggregate(document, sequence, log_probs, ones, ones, [100] * 3)
    for _ in range(5):
        order = random.permutation(300)
        found = aggregate(document[order], sequence[order], log_probs[order], ones, ones, [100] * 3)
        assert found == expected


def test_no_request_and_one_row() -> None:
    assert aggregate([], [], [], [], [], []) == []
    assert aggregate([0], [0], [0.0], [0], [0], []) == []
    assert aggregate([1], [0], [-1.5], [2], [2], [1]) == [Score(-1.5, True, 2)]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(rd.PipelineError, match=r"rows are missing: of request 2 \(document_idx 3\) row 1 of 3$"):
        aggregate(*without(7), SEQUENCES)
    with pytest.raises(rd.PipelineError, match=r"request 1 \(document_idx 2\) row 0 of 1$"):
        aggregate(*without(3), SEQUENCES)
    with pytest.raises(rd.PipelineError, match=r"request 0 .*; and 2 more"):
        aggregate([], [], [], [], [], SEQUENCES)


def test_what_occurs_twice_is_named() -> None:
    twice = [np.append(column, column[3]) for column in without()]
    with pytest.raises(rd.PipelineError, match=r"rows occur twice: of request 1 \(document_idx 2\) row 0 of 1$"):
        aggregate(*twice, SEQUENCES)


@pytest.mark.parametrize(("document", "sequence"), [(4, 0), (-1, 0), (1, 2), (1, -1)])
def test_rows_of_no_request_are_named(document: int, sequence: int) -> None:
    more = [np.append(column, value) for column, value in zip(without(), (document, sequence, 0, 0, 0), strict=True)]
    with pytest.raises(
        rd.PipelineError, match=f"one of the 3 requests: document_idx {document}, sequence_idx {sequence}"
    ):
        aggregate(*more, SEQUENCES)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match=r"'counts': \(7,\)"):
        aggregate(DOCUMENT, SEQUENCE, LOG_PROBS, COUNTS[1:], CORRECT, SEQUENCES)
    with pytest.raises(rd.PipelineError, match="shapes"):
        aggregate(*(column[None] for column in without()), SEQUENCES)
    with pytest.raises(rd.PipelineError, match="document_idx are float64, not integers"):
        aggregate(DOCUMENT.astype(float), SEQUENCE, LOG_PROBS, COUNTS, CORRECT, SEQUENCES)
