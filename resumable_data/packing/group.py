"""The packed windows of several logical shards, dealt into the one order of their group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.order.sequence import deal_rows
from resumable_data.packing.plan import DocumentLengths, concatenate
from resumable_data.packing.window import PackedWindow

LEAST_ROWS = 8
"""A group takes more windows while it fills fewer rows than this for each logical shard."""

MOST_TAKES = 65
"""Most times that a group takes windows."""


def deal_windows(windows: Sequence[PackedWindow], owners: Sequence[int], shards: int) -> PackedWindow:
    """Deals the rows of one group into the order in which they are delivered.

    Args:
        windows: Each shard's rows; at least one window.
        owners: The shard of each window, ascending.
        shards: Number of logical shards.

    Returns:
        All rows, each with its owner if there are several shards.
    """
    if shards == 1:
        return windows[0]
    together = concatenate([window.plan for window in windows])
    rows = np.fromiter((len(window.plan) for window in windows), np.int64, len(windows))
    counts, first_row = np.zeros(shards, np.int64), np.zeros(shards, np.int64)
    counts[list(owners)] = rows
    first_row[list(owners)] = offsets_of(rows)[:-1]
    shard, number = deal_rows(counts)
    order = first_row[shard] + number  # int64[n_rows], places among the windows' rows
    counts = np.concatenate([window.counts for window in windows])
    return PackedWindow(
        replace(together.take(order), owner=shard),
        size=sum(window.size for window in windows),
        counts=counts[together.spans_of(order)],
        dropped=np.concatenate([window.dropped for window in windows]),
    )


def count_filled(lengths: DocumentLengths, row_length: int, strategy: str) -> int:
    """Counts the cells of rows that documents fill: their tokens or, with ``one_a_row``, whole rows.

    >>> lengths = DocumentLengths(np.array([3, -1, 6]))
    >>> count_filled(lengths, 4, "best_fit"), count_filled(lengths, 4, "one_a_row")
    (9, 12)
    """
    tokens: Int64Array = np.maximum(lengths.tokens, 0)
    if strategy == "one_a_row":
        tokens = -(-tokens // row_length) * row_length
    return int(tokens.sum())
