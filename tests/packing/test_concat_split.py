from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.testing.packing_windows import pieces_of, windows
from resumable_data.packing.concat_split import concat_split


def slow_concat_split(lengths: list[int], row_length: int) -> list[tuple[int, int, int, int]]:
    """Document, offset, length and row of every piece, found by laying down one token after the other."""
    pieces: list[tuple[int, int, int, int]] = []
    place = 0
    for document, tokens in enumerate(lengths):
        for offset in range(tokens):
            row = place // row_length
            if offset and pieces[-1][3] == row:
                _, first, length, _ = pieces.pop()
                pieces.append((document, first, length + 1, row))
            else:
                pieces.append((document, offset, 1, row))
            place += 1
    return pieces


def slow_concat_split_of_few(lengths: list[int], row_length: int, most: int) -> list[tuple[int, int, int, int]]:
    """The same, but a row of so many documents takes no other."""
    pieces: list[tuple[int, int, int, int]] = []
    row = used = 0
    for document, tokens in enumerate(lengths):
        if tokens and sum(piece[3] == row for piece in pieces) == most:
            row, used = row + 1, 0
        offset = 0
        while offset < tokens:
            length = min(tokens - offset, row_length - used)
            pieces.append((document, offset, length, row))
            offset, used = offset + length, used + length
            if used == row_length:
                row, used = row + 1, 0
    return pieces


fast = partial(pieces_of, concat_split)


@given(windows)
def test_documents_lie_end_to_end_and_are_cut_at_the_end_of_every_row(window: tuple[list[int], int]) -> None:
    assert fast(*window) == slow_concat_split(*window)


@given(windows, st.integers(1, 5))
def test_a_row_with_the_most_documents_is_left_as_it_is(window: tuple[list[int], int], most: int) -> None:
    assert fast(*window, None, most) == slow_concat_split_of_few(*window, most)


@given(windows)
def test_every_row_but_the_last_is_full(window: tuple[list[int], int]) -> None:
    lengths, row_length = window
    pieces = concat_split(np.array(lengths, np.int64), row_length)
    used = np.bincount(pieces.row, weights=pieces.length)
    assert (used[:-1] == row_length).all()
    assert len(used) == -(-sum(lengths) // row_length)


@pytest.mark.parametrize(
    ("lengths", "pieces"),
    [
        ([], []),
        ([0, 0], []),
        ([4], [(0, 0, 4, 0)]),
        ([4, 4], [(0, 0, 4, 0), (1, 0, 4, 1)]),
        ([9], [(0, 0, 4, 0), (0, 4, 4, 1), (0, 8, 1, 2)]),
        ([3, 0, 3], [(0, 0, 3, 0), (2, 0, 1, 0), (2, 1, 2, 1)]),
        ([0, 4, 0, 0, 1], [(1, 0, 4, 0), (4, 0, 1, 1)]),
    ],
)
def test_pieces_of_small_windows(lengths: list[int], pieces: list[tuple[int, int, int, int]]) -> None:
    assert fast(lengths, 4) == pieces


@given(windows)
def test_documents_that_all_differ_are_packed_as_ever(window: tuple[list[int], int]) -> None:
    assert fast(*window, list(range(len(window[0])))) == fast(*window)


@pytest.mark.parametrize(
    ("lengths", "same", "pieces"),
    [
        ([2, 2], [0, 0], [(0, 0, 2, 0), (1, 0, 2, 0)]),  # all there is fits a row
        ([2, 2, 3], [0, 0, 2], [(0, 0, 2, 0), (2, 0, 2, 0), (2, 2, 1, 1), (1, 0, 2, 1)]),  # the copy waits
        ([3, 5], [0, 1], [(0, 0, 3, 0), (1, 0, 1, 0), (1, 1, 4, 1)]),
        ([0, 5, 5], [0, 1, 1], [(1, 0, 4, 0), (1, 4, 1, 1), (2, 0, 4, 2), (2, 4, 1, 3)]),  # a row is closed
    ],
)
def test_pieces_of_small_windows_with_copies(
    lengths: list[int], same: list[int], pieces: list[tuple[int, int, int, int]]
) -> None:
    assert fast(lengths, 4, same) == pieces
