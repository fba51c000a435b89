from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.testing.packing_windows import windows_with_copies
from resumable_data.packing.lay_apart import lay_apart


def lie(
    lengths: list[int], row_length: int, same: list[int], order: list[int], most: int
) -> tuple[list[int], list[int], list[int]]:
    """Documents as they lie, their starts, and those left when the first row was closed, one token at a time."""
    left, laid, starts, cells = list(order), list[int](), list[int](), list[int | None]()
    documents_in: Counter[int] = Counter()  # by row
    late: list[int] = []
    while left:
        row = len(cells) // row_length
        present = cells[row * row_length :]
        if documents_in[row] == most:
            cells += [None] * (row_length - len(present))
            continue
        fitting = [number for number in left if same[number] not in present]
        if fitting:
            left.remove(fitting[0])
            laid.append(fitting[0])
            starts.append(len(cells))
            cells += [same[fitting[0]]] * lengths[fitting[0]]
            documents_in.update(range(row, (len(cells) - 1) // row_length + 1))
        else:
            late = late or list(left)
            cells += [None] * (row_length - len(present))
    return laid, starts, late


def slow_lay_apart(
    lengths: list[int], row_length: int, same: list[int], most: int = 10**9
) -> tuple[list[int], list[int]]:
    order = [number for number, tokens in enumerate(lengths) if tokens]
    tries: list[tuple[int, list[int], list[int]]] = []
    for _ in range(3):
        laid, starts, late = lie(lengths, row_length, same, order, most)
        stop = starts[-1] + lengths[laid[-1]] if laid else 0
        tries.append((-(-stop // row_length), laid, starts))
        order = late + [number for number in order if number not in late]
    _, laid, starts = min(tries, key=lambda tried: tried[0])
    return laid, starts


def fast(
    lengths: list[int], row_length: int, same: list[int], most: int | None = None
) -> tuple[list[int], list[int]]:
    order, starts = lay_apart(np.array(lengths, np.int64), row_length, np.array(same, np.int64), most)
    return order.tolist(), starts.tolist()


@given(windows_with_copies(most=30))
def test_documents_lie_as_by_hand(window: tuple[list[int], int, list[int]]) -> None:
    assert fast(*window) == slow_lay_apart(*window)


@given(windows_with_copies(most=30), st.integers(1, 5))
def test_documents_lie_as_by_hand_where_a_row_has_few(window: tuple[list[int], int, list[int]], most: int) -> None:
    assert fast(*window, most) == slow_lay_apart(*window, most)


@given(windows_with_copies(most=30))
def test_no_row_holds_one_document_twice(window: tuple[list[int], int, list[int]]) -> None:
    lengths, row_length, same = window
    held: dict[tuple[int, int], int] = {}
    for number, start in zip(*fast(*window), strict=True):
        for row in range(start // row_length, (start + lengths[number] - 1) // row_length + 1):
            assert held.setdefault((row, same[number]), number) == number


@given(windows_with_copies(most=30))
def test_fewer_rows_are_closed_than_a_document_has_copies(window: tuple[list[int], int, list[int]]) -> None:
    lengths, _, same = window
    order, starts = fast(*window)
    stops = [start + lengths[number] for number, start in zip(order, starts, strict=True)]
    closed = sum(start > stop for start, stop in zip(starts[1:], stops[:-1], strict=False))
    assert closed < max(map(same.count, same), default=1)


def test_documents_whose_copies_do_not_meet_keep_their_order() -> None:
    assert fast([2, 2, 2, 2, 2, 2], 4, [0, 1, 0, 1, 0, 5]) == ([0, 1, 2, 3, 4, 5], [0, 2, 4, 6, 8, 10])


def test_what_would_close_a_row_at_the_end_is_laid_first() -> None:
    # In their order the last two would meet in the last row.
    assert fast([4, 1, 1], 4, [0, 1, 1]) == ([2, 0, 1], [0, 1, 5])


def test_what_is_laid_first_may_leave_others_to_be_laid_first() -> None:
    # 8 rows at first, and with document 4 in front; 7 with document 3 before that.
    assert fast([9, 6, 9, 9, 9], 6, [0, 1, 2, 2, 2]) == ([3, 0, 4, 1, 2], [0, 9, 18, 27, 33])


def test_a_row_is_closed_where_there_is_no_other_way() -> None:
    assert fast([5, 5], 4, [0, 0]) == ([0, 1], [0, 8])


@pytest.mark.parametrize("n", [64, 1000])
def test_every_row_but_the_last_is_full_where_copies_are_few(n: int) -> None:
    rng = np.random.default_rng(n)
    records = np.where(np.arange(n) % 3 == 0, rng.integers(0, 5, n) + n, np.arange(n))
    lengths = rng.lognormal(5.8, 1, n + 5).astype(np.int64)[records]
    firsts = np.array([records.tolist().index(record) for record in records.tolist()])
    order, starts = lay_apart(lengths, 2048, firsts)
    assert (np.cumsum(lengths[order]) - lengths[order] == starts).all()
    assert (order != np.arange(n)).any()
