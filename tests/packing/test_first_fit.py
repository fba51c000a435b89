from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.testing.packing_windows import pieces_of, web_text_with_copies, windows, windows_with_copies
from resumable_data.packing.first_fit import first_fit


def slow_first_fit(
    lengths: list[int], row_length: int, same: list[int] | None = None, most: int | None = None
) -> list[tuple[int, int, int, int]]:
    """Document, offset, length and row of every piece, found by trying the rows one after the other."""
    same = same or list(range(len(lengths)))
    together = sum(lengths[document] for document in set(same)) <= row_length
    used: list[int] = []
    holds: list[set[int]] = []
    pieces: list[tuple[int, int, int, int]] = []
    for document, tokens in enumerate(lengths):
        for offset in range(0, tokens, row_length):
            length = min(row_length, tokens - offset)
            filled = Counter(row for *_, row in pieces)
            with_room = [row for row in range(len(used)) if used[row] + length <= row_length and filled[row] != most]
            apart = [row for row in with_room if same[document] not in holds[row]]
            row = min(apart or (with_room if together else []), default=len(used))
            if row == len(used):
                used.append(0)
                holds.append(set())
            used[row] += length
            holds[row].add(same[document])
            pieces.append((document, offset, length, row))
    return pieces


fast = partial(pieces_of, first_fit)


@given(windows)
def test_each_piece_goes_to_the_first_row_with_room(window: tuple[list[int], int]) -> None:
    assert fast(*window) == slow_first_fit(*window)


@given(windows_with_copies())
def test_a_copy_goes_where_its_document_does_not_stand(window: tuple[list[int], int, list[int]]) -> None:
    assert fast(*window) == slow_first_fit(*window)


@given(windows, st.integers(1, 5))
def test_a_row_with_the_most_documents_takes_no_more(window: tuple[list[int], int], most: int) -> None:
    assert fast(*window, None, most) == slow_first_fit(*window, None, most)
    assert max(Counter(row for *_, row in fast(*window, None, most)).values(), default=0) <= most


@given(windows_with_copies(), st.integers(1, 5))
def test_copies_and_the_most_documents_go_together(window: tuple[list[int], int, list[int]], most: int) -> None:
    assert fast(*window, most) == slow_first_fit(*window, most)


@given(windows)
def test_documents_that_all_differ_are_packed_as_ever(window: tuple[list[int], int]) -> None:
    assert fast(*window, list(range(len(window[0])))) == fast(*window)


def test_a_whole_window_of_web_text_is_packed_as_by_hand() -> None:
    lengths = np.random.default_rng(1).lognormal(5.8, 1, 1000).astype(int).tolist()
    assert fast(lengths, 2048) == slow_first_fit(lengths, 2048)


def test_a_whole_window_with_copies_is_packed_as_by_hand() -> None:
    window = web_text_with_copies(600)
    assert fast(*window) == slow_first_fit(*window)


@pytest.mark.parametrize(
    ("lengths", "rows"),
    [
        ([], []),
        ([0, 0], []),
        ([4, 4], [0, 1]),
        ([3, 3, 1, 1], [0, 1, 0, 1]),
        ([2, 4, 2], [0, 1, 0]),
        ([3, 2, 1, 2], [0, 1, 0, 1]),
        ([5, 3], [0, 1, 1]),
    ],
)
def test_rows_of_small_windows(lengths: list[int], rows: list[int]) -> None:
    assert [row for *_, row in fast(lengths, 4)] == rows


@pytest.mark.parametrize(
    ("lengths", "same", "rows"),
    [
        ([2, 2], [0, 0], [0, 0]),  # all there is fits a row
        ([2, 2, 3], [0, 0, 2], [0, 1, 2]),  # it does not, and a row of its own is better than the same row
        ([1, 3, 1, 1], [0, 1, 0, 0], [0, 0, 1, 1]),  # a row without it first, then any with room, then a new one
        ([2, 2, 1, 2, 1], [0, 0, 2, 3, 2], [0, 1, 0, 1, 2]),
        ([6, 6], [0, 0], [0, 1, 2, 3]),  # the rests of a document that was split
    ],
)
def test_rows_of_small_windows_with_copies(lengths: list[int], same: list[int], rows: list[int]) -> None:
    assert [row for *_, row in fast(lengths, 4, same)] == rows


def test_a_copy_goes_to_a_row_without_it_that_was_opened_after_copies_met() -> None:
    assert [row for *_, row in fast([6, 6, 1, 1, 1, 6, 1], 10, [0, 0, 2, 2, 2, 0, 2])] == [0, 1, 0, 1, 0, 2, 2]
