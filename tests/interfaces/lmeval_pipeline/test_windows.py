"""Windows of long documents: each token is scored once, after as many tokens as fit."""

from __future__ import annotations

import pytest

import resumable_data as rd
from resumable_data.lmeval_pipeline import split_into_windows


def windows(given: int, scored: int, max_length: int | None) -> list[tuple[int, int, int]]:
    return [tuple(window) for window in split_into_windows(given, scored, max_length)]


@pytest.mark.parametrize(
    ("scored", "expected"),
    [
        (0, [(0, 0, 0)]),
        (7, [(0, 7, 0)]),
        (8, [(0, 8, 0)]),
        (9, [(0, 8, 0), (1, 9, 8)]),
        (16, [(0, 8, 0), (8, 16, 8)]),
        (17, [(0, 8, 0), (8, 16, 8), (9, 17, 16)]),
    ],
)
def test_a_document_alone(scored: int, expected: list[tuple[int, int, int]]) -> None:
    assert windows(0, scored, 8) == expected


def test_the_example_of_the_harness() -> None:
    # Ten tokens, four a row: the rows predict 0-3, 4-7 and, of 6-9, only the new ones.
    assert windows(0, 10, 4) == [(0, 4, 0), (4, 8, 4), (6, 10, 8)]


@pytest.mark.parametrize(
    ("given", "scored", "expected"),
    [
        (3, 5, [(0, 8, 3)]),
        (20, 3, [(15, 23, 20)]),
        (20, 8, [(20, 28, 20)]),
        (2, 9, [(0, 8, 2), (3, 11, 8)]),
        (20, 9, [(16, 24, 20), (21, 29, 24)]),
        (20, 0, [(12, 20, 20)]),
    ],
)
def test_a_document_with_a_prefix(given: int, scored: int, expected: list[tuple[int, int, int]]) -> None:
    assert windows(given, scored, 8) == expected


def test_without_a_limit_there_is_one_window() -> None:
    assert windows(5, 1000, None) == [(0, 1005, 5)]


def test_every_token_is_scored_once_in_a_row_that_fits() -> None:
    for max_length in range(1, 8):
        for given in range(18):
            for scored in range(1, 18):
                found = split_into_windows(given, scored, max_length)
                targets = [token for window in found for token in range(window.score_from, window.stop)]
                assert targets == list(range(given, given + scored))
                assert all(0 <= window.start <= window.score_from for window in found)
                assert all(window.stop - window.start <= max_length for window in found)
                assert all(window.score_from < window.stop for window in found)


def test_a_row_without_tokens_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="max_length=0"):
        split_into_windows(0, 1, 0)
