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
    # int32[n_rows], tokens free in each row; the row behind those that are opened is empty and always fits.
    free = np.full(len(length) + 1, row_length, np.int32)
    row: list[int] = []
    first, opened = 0, 0
    for tokens in length.tolist():
        found = first + int((free[first : opened + 1] >= tokens).argmax())
        row.append(found)
        free[found] -= tokens
        opened = max(opened, found + 1)
        while free[first] == 0:
            first += 1
    return Pieces(document, offset, length, np.array(row, np.int64))
