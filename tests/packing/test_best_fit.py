from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.testing.packing_windows import pieces_of, web_text_with_copies, windows, windows_with_copies
from resumable_data.packing.best_fit import best_fit
from resumable_data.sources.synthetic import SyntheticSource, log_normal_lengths


def slow_best_fit(
    lengths: list[int], row_length: int, same: list[int] | None = None, most: int | None = None
) -> list[tuple[int, int, int, int]]:
    """Document, offset, length and row of every piece, found by looking at all rows each time."""
    pieces = [
        (document, offset, min(row_length, tokens - offset))
        for document, tokens in enumerate(lengths)
        for offset in range(0, tokens, row_length)
    ]
    same = same or list(range(len(lengths)))
    together = sum(lengths[document] for document in set(same)) <= row_length
    rows: list[dict[str, Any]] = []
    row_of: dict[int, int] = {}
    rests = Counter(same[document] for document, _, tokens in pieces if tokens < row_length)

    def rank(piece: int) -> tuple[int, ...]:
        document, _, tokens = pieces[piece]
        # Full rows first; then the documents with the most copies, the longest of them first, copies together.
        return (0,) if tokens == row_length else (1, -rests[same[document]], -tokens, same[document])

    order = sorted(range(len(pieces)), key=rank)
    for time, piece in enumerate(order):
        document, _, tokens = pieces[piece]
        with_room = [row for row in range(len(rows)) if rows[row]["free"] >= tokens and rows[row]["pieces"] != most]
        apart = [row for row in with_room if same[document] not in rows[row]["holds"]]
        if apart or (together and with_room):
            row = min(apart or with_room, key=lambda row: (rows[row]["free"], -rows[row]["filled at"]))
        else:
            row = len(rows)
            rows.append({"free": row_length, "holds": set(), "pieces": 0})
        rows[row]["free"] -= tokens
        rows[row]["filled at"] = time
        rows[row]["pieces"] += 1
        rows[row]["holds"].add(same[document])
        row_of[piece] = row
    return [(*piece, row_of[number]) for number, piece in enumerate(pieces)]


fast = partial(pieces_of, best_fit)


@given(windows)
def test_the_longest_pieces_come_first_and_go_where_the_least_room_is_left(
    window: tuple[list[int], int],
) -> None:
    assert fast(*window) == slow_best_fit(*window)


@given(windows_with_copies())
def test_a_copy_goes_where_its_document_does_not_stand(window: tuple[list[int], int, list[int]]) -> None:
    assert fast(*window) == slow_best_fit(*window)


def test_a_whole_window_of_web_text_is_packed_as_by_hand() -> None:
    lengths = np.random.default_rng(1).lognormal(5.8, 1, 600).astype(int).tolist()
    assert fast(lengths, 2048) == slow_best_fit(lengths, 2048)


def test_a_whole_window_with_copies_is_packed_as_by_hand() -> None:
    window = web_text_with_copies(600)
    assert fast(*window) == slow_best_fit(*window)


@given(windows, st.integers(1, 5))
def test_a_row_with_the_most_documents_takes_no_more(window: tuple[list[int], int], most: int) -> None:
    assert fast(*window, None, most) == slow_best_fit(*window, None, most)
    assert max(Counter(row for *_, row in fast(*window, None, most)).values(), default=0) <= most


@given(windows_with_copies(), st.integers(1, 5))
def test_copies_and_the_most_documents_go_together(window: tuple[list[int], int, list[int]], most: int) -> None:
    assert fast(*window, most) == slow_best_fit(*window, most)


@given(windows)
def test_documents_that_all_differ_are_packed_as_ever(window: tuple[list[int], int]) -> None:
    assert fast(*window, list(range(len(window[0])))) == fast(*window)


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


@pytest.mark.parametrize(
    ("lengths", "same", "rows"),
    [
        ([3, 3], [0, 0], [0, 0]),  # all there is fits a row
        ([4, 3, 3], [0, 1, 1], [2, 0, 1]),  # it does not, and a row of its own is better than the same row
        ([1, 1, 4, 2], [0, 0, 2, 3], [0, 1, 1, 0]),  # documents with more copies come first
        ([1, 1, 1, 2, 3], [0, 0, 0, 3, 4], [0, 0, 0, 1, 0]),  # any row with room before a new one
        ([7, 7], [0, 0], [0, 2, 1, 3]),  # the rests of a document that was split
        ([2, 2, 5, 2], [0, 1, 2, 0], [0, 1, 2, 1]),  # copies follow the first: documents 0 and 3, then 1
    ],
)
def test_rows_of_small_windows_with_copies(lengths: list[int], same: list[int], rows: list[int]) -> None:
    assert [row for *_, row in fast(lengths, 6, same)] == rows


def test_copies_that_meet_go_to_the_fullest_row_that_holds_them() -> None:
    assert [row for *_, row in fast([4] * 4 + [1] * 4, 11, [0] * 4 + [4] * 4)] == [0, 0, 1, 1, 1, 0, 0, 0]


def test_web_text_fills_at_least_999_of_1000_cells() -> None:
    window, row_length = 4096, 2048
    source = SyntheticSource(10**9, log_normal_lengths(540))
    filled: list[float] = []
    for number in range(10):
        lengths = source.lengths(number * 10**8 + np.arange(window))
        n_rows = int(best_fit(lengths, row_length).row.max()) + 1
        filled.append(int(lengths.sum()) / (n_rows * row_length))
    assert np.mean(filled) >= 0.999


@pytest.mark.parametrize(("of", "share"), [(1, 0.1), (5, 0.5), (100, 1)])
def test_copies_cost_little_where_they_are_fewer_than_the_rows(of: int, share: float) -> None:
    rng = np.random.default_rng(of)
    least = packed = 0
    for _ in range(10):
        records = np.where(rng.random(256) < share, rng.integers(0, of, 256), 100 + np.arange(256)).tolist()
        lengths = rng.lognormal(5.8, 1, 400).astype(int)[records]
        firsts = np.array([records.index(record) for record in records])
        least += -(-int(lengths.sum()) // 2048)
        packed += int(best_fit(lengths, 2048, firsts).row.max()) + 1
    assert packed / least < 1.03
