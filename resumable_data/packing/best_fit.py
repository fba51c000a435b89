"""Best fit, decreasing: the longest pieces first, each to the fullest row that still has room."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.packing.pieces import Pieces, cut


def best_fit(lengths: Int64Array, row_length: int) -> Pieces:
    """Packs by decreasing length, each piece into the row with the least room that suffices (Johnson, 1973).

    Equal lengths keep their order; among equally full rows the one filled last is taken. A document longer
    than a row is cut into full rows and a rest, which is packed like any other.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.

    Returns:
        The pieces and their rows, numbered as they were opened.

    >>> best_fit(np.array([2, 3, 4, 3]), 6).row.tolist()
    [0, 1, 0, 1]
    """
    document, offset, length = cut(lengths, row_length)
    decreasing = np.argsort(-length, kind="stable")
    row = np.empty(len(length), np.int64)
    full = int(np.searchsorted(-length[decreasing], -row_length, side="right"))
    row[decreasing[:full]] = np.arange(full)
    row[decreasing[full:]] = full + _fill(length[decreasing[full:]].tolist(), row_length)
    return Pieces(document, offset, length, row)


def _fill(lengths: list[int], row_length: int) -> Int64Array:
    """Rows of pieces of decreasing length, none of them a full row: int64[len(lengths)]."""
    rows_with: dict[int, list[int]] = {}  # tokens free -> rows that have just so much room
    rooms: list[int] = []  # the keys of `rows_with` whose list is not empty, ascending
    chosen: list[int] = []
    opened = 0
    for tokens in lengths:
        at = bisect_left(rooms, tokens)
        if at == len(rooms):
            row, room = opened, row_length
            opened += 1
        else:
            room = rooms[at]
            rows = rows_with[room]
            row = rows.pop()
            if not rows:
                del rooms[at]
        chosen.append(row)
        if left := room - tokens:
            rows = rows_with.setdefault(left, [])
            if not rows:
                insort(rooms, left)
            rows.append(row)
    return np.array(chosen, np.int64)
