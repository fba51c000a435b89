import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.packing.first_fit import first_fit

windows = st.integers(1, 12).flatmap(
    lambda row: st.tuples(
        st.lists(st.integers(0, 3 * row + 1) | st.sampled_from([0, row, row + 1, 2 * row]), max_size=40),
        st.just(row),
    )
)


def slow_first_fit(lengths: list[int], row_length: int) -> list[tuple[int, int, int, int]]:
    """Document, offset, length and row of every piece, found by trying the rows one after the other."""
    used: list[int] = []
    pieces: list[tuple[int, int, int, int]] = []
    for document, tokens in enumerate(lengths):
        for offset in range(0, tokens, row_length):
            length = min(row_length, tokens - offset)
            row = 0
            while row < len(used) and used[row] + length > row_length:
                row += 1
            used += [0] if row == len(used) else []
            used[row] += length
            pieces.append((document, offset, length, row))
    return pieces


def fast(lengths: list[int], row_length: int) -> list[tuple[int, int, int, int]]:
    pieces = first_fit(np.array(lengths, np.int64), row_length)
    columns = (pieces.document, pieces.offset, pieces.length, pieces.row)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(windows)
def test_each_piece_goes_to_the_first_row_with_room(window: tuple[list[int], int]) -> None:
    assert fast(*window) == slow_first_fit(*window)


def test_a_whole_window_of_web_text_is_packed_as_by_hand() -> None:
    lengths = np.random.default_rng(1).lognormal(5.8, 1, 1000).astype(int).tolist()
    assert fast(lengths, 2048) == slow_first_fit(lengths, 2048)


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
