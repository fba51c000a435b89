"""Concatenate and split: the documents of a window one after the other, cut at every row's end."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of, ranges
from resumable_data.packing.copies import may_meet
from resumable_data.packing.lay_apart import lay_apart
from resumable_data.packing.pieces import Pieces


def concat_split(lengths: Int64Array, row_length: int, same: Int64Array | None = None) -> Pieces:
    """Lays the documents end to end and cuts the text every ``row_length`` tokens.

    Fills every row of a window but the last, at the price of documents cut in two.

    A copy that would lie in a row with another copy of its document waits for the next row, unless all different
    documents fit one row: see ``lay_apart``, which also says when a row before the last is not filled.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.
        same: int64[n], the first copy of each document; None where all differ.

    Returns:
        The pieces and their rows, as they lie.

    >>> pieces = concat_split(np.array([3, 4, 1]), 4)
    >>> pieces.document.tolist(), pieces.offset.tolist(), pieces.row.tolist()
    ([0, 1, 1, 2], [0, 0, 1, 0], [0, 0, 1, 1])
    >>> pieces = concat_split(np.array([1, 1, 3, 4]), 4, np.array([0, 0, 2, 3]))
    >>> pieces.document.tolist(), pieces.row.tolist()
    ([0, 2, 1, 3, 3], [0, 0, 1, 1, 2])
    """
    if same is None or may_meet(lengths, same, row_length):
        order, starts = np.arange(len(lengths)), offsets_of(lengths)[:-1]
    else:
        order, starts = lay_apart(lengths, row_length, same)
    stops = starts + lengths[order]
    first_rows = starts // row_length
    # A document without tokens has no piece, wherever it lies.
    counts = np.where(stops > starts, -(-stops // row_length) - first_rows, 0)
    row = ranges(first_rows, counts)
    whole = np.repeat(starts, counts)
    begins = np.maximum(row * row_length, whole)
    ends = np.minimum((row + 1) * row_length, np.repeat(stops, counts))
    return Pieces(np.repeat(order, counts), begins - whole, ends - begins, row)
