"""First fit: every piece goes to the first row that has room for it."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.packing.pieces import Pieces, cut


def first_fit(lengths: Int64Array, row_length: int) -> Pieces:
    """Packs documents in their own order, each into the first row with room (Johnson, 1973).

    A document longer than a row is cut into full rows and a rest, which is packed like any other.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.

    Returns:
        The pieces and their rows, numbered as they were opened.

    >>> first_fit(np.array([4, 3, 2, 3]), 6).row.tolist()
    [0, 1, 0, 1]
    """
    document, offset, length = cut(lengths, row_length)
    free = np.full(len(length), row_length, np.int64)  # int64[n_rows], tokens free in each row
    row = np.empty(len(length), np.int64)
    first_open = 0
    for piece, tokens in enumerate(length.tolist()):
        while free[first_open] == 0:
            first_open += 1
        row[piece] = found = first_open + int(np.argmax(free[first_open : piece + 1] >= tokens))
        free[found] -= tokens
    return Pieces(document, offset, length, row)
