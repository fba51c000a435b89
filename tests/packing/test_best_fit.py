import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.packing.best_fit import best_fit
from resumable_data.sources.synthetic import SyntheticSource, log_normal_lengths

windows = st.integers(1, 12).flatmap(
    lambda row: st.tuples(
        st.lists(st.integers(0, 3 * row + 1) | st.sampled_from([0, row, row + 1, 2 * row]), max_size=40),
        st.just(row),
    )
)


def slow_best_fit(lengths: list[int], row_length: int) -> list[tuple[int, int, int, int]]:
    """Document, offset, length and row of every piece, found by looking at all rows each time."""
    pieces = [
        (document, offset, min(row_length, tokens - offset))
        for document, tokens in enumerate(lengths)
        for offset in range(0, tokens, row_length)
    ]
    rows: list[dict[str, int]] = []
    row_of: dict[int, int] = {}
    for time, piece in enumerate(sorted(range(len(pieces)), key=lambda piece: -pieces[piece][2])):
        tokens = pieces[piece][2]
        with_room = [row for row in range(len(rows)) if rows[row]["free"] >= tokens]
        if with_room:
            row = min(with_room, key=lambda row: (rows[row]["free"], -rows[row]["filled at"]))
        else:
            row = len(rows)
            rows.append({"free": row_length})
        rows[row] = {"free": rows[row]["free"] - tokens, "filled at": time}
        row_of[piece] = row
    return [(*piece, row_of[number]) for number, piece in enumerate(pieces)]


def fast(lengths: list[int], row_length: int) -> list[tuple[int, int, int, int]]:
    pieces = best_fit(np.array(lengths, np.int64), row_length)
    columns = (pieces.document, pieces.offset, pieces.length, pieces.row)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(windows)
def test_the_longest_pieces_come_first_and_go_where_the_least_room_is_left(
    window: tuple[list[int], int],
) -> None:
    assert fast(*window) == slow_best_fit(*window)


def test_a_whole_window_of_web_text_is_packed_as_by_hand() -> None:
    lengths = np.random.default_rng(1).lognormal(5.8, 1, 600).astype(int).tolist()
    assert fast(lengths, 2048) == slow_best_fit(lengths, 2048)


@pytest.mark.parametrize(
    ("lengths", "rows"),
    [
        ([], []),
        ([0, 0], []),
        ([1, 5, 6], [1, 1, 0]),
        ([4, 5, 1, 2], [1, 0, 0, 1]),
        ([3, 3, 3], [0, 0, 1]),  # equal lengths keep their order
        ([4, 4, 1], [0, 1, 1]),  # of equally full rows the one filled last is taken
        ([7, 5], [0, 1, 1]),  # the rest of a long document is packed like any other
    ],
)
def test_rows_of_small_windows(lengths: list[int], rows: list[int]) -> None:
    assert [row for *_, row in fast(lengths, 6)] == rows


def test_web_text_fills_at_least_999_of_1000_cells() -> None:
    window, row_length = 4096, 2048
    source = SyntheticSource(10**9, log_normal_lengths(540))
    filled: list[float] = []
    for number in range(10):
        lengths = source.lengths(number * 10**8 + np.arange(window))
        n_rows = int(best_fit(lengths, row_length).row.max()) + 1
        filled.append(int(lengths.sum()) / (n_rows * row_length))
    assert np.mean(filled) >= 0.999
