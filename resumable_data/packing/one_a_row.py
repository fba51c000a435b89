"""No packing: every document has rows of its own."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.packing.pieces import Pieces, cut


def one_a_row(
    lengths: Int64Array, row_length: int, same: Int64Array | None = None, max_documents: int | None = None
) -> Pieces:
    """Gives every document its own row, or several if it is longer than a row.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.
        same: Not used: no two documents share a row.
        max_documents: Not used.

    Returns:
        The pieces and their rows, in order.

    >>> one_a_row(np.array([3, 1]), 2).row.tolist()
    [0, 1, 2]
    """
    document, offset, length = cut(lengths, row_length)
    return Pieces(document, offset, length, np.arange(len(document)))
