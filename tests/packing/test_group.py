"""The rows of one group: packed shard by shard, and dealt into one order.

A worked example. Four shards measured a window each, and rows have 4 tokens.

    shard 0: documents 0, 1 and 2 of 4, 3 and 2 tokens    ->  rows [0], [1], [2]
    shard 1: document 3, which is dropped                 ->  no row
    shard 2: documents 4 and 5 of 6 and 2 tokens          ->  rows [4, first 4 tokens], [4, the rest; 5]
    shard 3: document 6 of 4 tokens                       ->  row [6]

These are 6 rows, so that every shard is to have one, and the first two of a round one more. A round goes 0, 2, 1, 3.
So shards 0 and 2 are to have two. Shard 0 has one too many, row [2], and shard 1 lacks one. The order is

    round 0:  shard 0: [0]    shard 2: [4 …]     shard 1: [2]    shard 3: [6]
    round 1:  shard 0: [1]    shard 2: [… 4, 5]

Row [2] was measured by shard 0, and stays its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.sequence import deal_rows
from resumable_data.packing.group import count_filled, deal_windows
from resumable_data.packing.plan import DocumentLengths, DocumentPlan
from resumable_data.packing.window import PackedWindow, pack_window

ROW = 4


def window(documents: Sequence[tuple[int, int]], reader: int = 0, max_documents: int | None = None) -> PackedWindow:
    """A window of documents, each a record and its length; each lost tokens before, and has some scored."""
    records = np.array([record for record, _ in documents], np.int64)
    lengths = np.array([length for _, length in documents], np.int64)
    return pack_window(
        DocumentPlan(np.full(len(records), reader), records),
        DocumentLengths(lengths, np.outer(10 * records * (lengths >= 0), [1, 3])),
        ROW,
        "first_fit",
        max_documents=max_documents,
        shuffle_key=None,
    )


def rows_of(packed: PackedWindow) -> list[list[tuple[int, int]]]:
    """Record and offset of every span, row by row."""
    plan = packed.plan
    flat = list(zip(plan.record.tolist(), plan.offset.tolist(), strict=True))
    return [flat[plan.rows[row] : plan.rows[row + 1]] for row in range(len(plan))]


EXAMPLE = [window([(0, 4), (1, 3), (2, 2)]), window([(3, -1)]), window([(4, 6), (5, 2)]), window([(6, 4)])]


def test_the_worked_example() -> None:
    dealt = deal_windows(EXAMPLE, range(4), 4)

    assert rows_of(dealt) == [[(0, 0)], [(4, 0)], [(2, 0)], [(6, 0)], [(1, 0)], [(4, 4), (5, 0)]]
    assert dealt.plan.owner is not None
    assert dealt.plan.owner.tolist() == [0, 2, 0, 3, 0, 2]


def test_what_is_counted_goes_with_the_rows() -> None:
    dealt = deal_windows(EXAMPLE, range(4), 4)

    assert (dealt.size, dealt.split, dealt.dropped.tolist()) == (7, 1, [0])
    assert [dealt.delivered(row, 0) for row in range(7)] == [
        (0, 0, 0, 0, 0),
        (1, 4, 0, 0, 0),
        (2, 8, 40, 120, 0),
        (3, 10, 60, 180, 0),
        (4, 14, 120, 360, 0),
        (5, 17, 130, 390, 0),
        (6, 21, 180, 540, 1),
    ]


def test_shards_may_have_no_window() -> None:
    """A take of two windows in four shards: shards 0 and 2 measure them."""
    dealt = deal_windows([window([(0, 4), (1, 4)]), window([(2, 4), (3, 4)])], (0, 2), 4)

    assert rows_of(dealt) == [[(0, 0)], [(2, 0)], [(1, 0)], [(3, 0)]]
    assert dealt.plan.owner is not None
    assert dealt.plan.owner.tolist() == [0, 2, 0, 2]


def test_one_shard_keeps_its_window_and_owns_nothing() -> None:
    only = EXAMPLE[0]

    assert deal_windows([only], (0,), 1) is only
    assert only.plan.owner is None


def test_windows_without_rows_give_none() -> None:
    dealt = deal_windows([window([(3, -1)]), window([(4, 0), (5, -1)])], (0, 1), 2)

    assert (len(dealt.plan), dealt.size, dealt.dropped.tolist()) == (0, 3, [0, 0])
    assert dealt.delivered(0, 0) == (0, 0, 0, 0, 2)


@given(
    st.lists(st.lists(st.integers(-1, 9), max_size=6), min_size=1, max_size=9),
    st.integers(0, 4),
    st.none() | st.integers(1, 3),
)
def test_the_order_is_that_of_the_shards_lists(lengths: list[list[int]], more: int, most: int | None) -> None:
    first = np.cumsum([0, *map(len, lengths)]).tolist()
    windows = [
        window([(first[place] + i, length) for i, length in enumerate(one)], place % 2, most)
        for place, one in enumerate(lengths)
    ]
    shards = len(windows) + more
    owners = [place * shards // len(windows) for place in range(len(windows))]
    dealt = deal_windows(windows, owners, shards)

    counts = np.zeros(shards, np.int64)
    counts[owners] = [len(one.plan) for one in windows]
    of_shard = dict(zip(owners, map(rows_of, windows), strict=True))
    expected = [
        of_shard[shard][number] for shard, number in zip(*map(np.ndarray.tolist, deal_rows(counts)), strict=True)
    ]
    assert rows_of(dealt) == expected
    for reader in (0, 1):
        total = np.sum([one.delivered(len(one.plan), reader) for one in windows], axis=0).tolist()
        assert list(dealt.delivered(len(dealt.plan), reader)) == total


@pytest.mark.parametrize(
    ("strategy", "cells"),
    [
        ("best_fit", 3 + 9 + 4),
        ("first_fit", 3 + 9 + 4),
        ("concat_split", 3 + 9 + 4),
        ("one_a_row", 4 + 12 + 4),
    ],
)
def test_what_documents_fill_is_their_tokens_or_their_rows(strategy: str, cells: int) -> None:
    lengths = DocumentLengths(np.array([3, -1, 9, 0, 4]))

    assert count_filled(lengths, ROW, strategy) == cells
