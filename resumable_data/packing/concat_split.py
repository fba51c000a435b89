"""Concatenate and split: the documents of a window one after the other, cut at every row's end."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.packing.pieces import Pieces


def concat_split(lengths: Int64Array, row_length: int) -> Pieces:
    """Lays the documents end to end and cuts the text every ``row_length`` tokens.

    Fills every row of a window but the last, at the price of documents cut in two.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.

    Returns:
        The pieces and their rows, in order.

    >>> pieces = concat_split(np.array([3, 4, 1]), 4)
    >>> pieces.document.tolist(), pieces.offset.tolist(), pieces.row.tolist()
    ([0, 1, 1, 2], [0, 0, 1, 0], [0, 0, 1, 1])
    """
    stops = np.cumsum(lengths)
    total = int(stops[-1]) if len(stops) else 0
    # A piece begins where a document or a row begins. A document without tokens begins no piece.
    begins = np.unique(np.concatenate([(stops - lengths)[lengths > 0], np.arange(0, total, row_length)]))
    document = np.searchsorted(stops, begins, side="right")
    return Pieces(
        document,
        begins - offsets_of(lengths)[:-1][document],
        np.diff(begins, append=total),
        begins // row_length,
    )
