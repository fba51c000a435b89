"""First fit: every piece goes to the first row that has room for it."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.packing.copies import may_meet
from resumable_data.packing.pieces import Pieces, cut


def first_fit(
    lengths: Int64Array, row_length: int, same: Int64Array | None = None, max_documents: int | None = None
) -> Pieces:
    """Packs documents in their own order, each into the first row with room (Johnson, 1973).

    A document longer than a row is cut into full rows and a rest, which is packed like any other.

    A copy goes to the first row with room that does not hold the document, else to a new row. If all different
    documents fit one row, it goes to the first row with room before it opens a new one. At most one row is at most
    half full; with copies, at most as many rows as some document has copies.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.
        same: int64[n], the first copy of each document; copies are equally long. None if all differ.
        max_documents: Most documents of a row; a row that holds so many takes no more. None for no bound.

    Returns:
        The pieces and their rows, numbered as they were opened.

    >>> first_fit(np.array([4, 3, 2, 3]), 6).row.tolist()
    [0, 1, 0, 1]
    >>> first_fit(np.array([1, 1, 1, 3]), 6, max_documents=2).row.tolist()
    [0, 0, 1, 1]
    >>> first_fit(np.array([1, 1, 5, 2]), 6, np.array([0, 0, 2, 3])).row.tolist()
    [0, 1, 0, 1]
    """
    document, offset, length = cut(lengths, row_length)
    together = same is not None and may_meet(lengths, same, row_length)
    copies = document if same is None else same[document]
    beyond: dict[int, int] = {}  # document -> every row before this one holds it, or has too little room for a copy
    # int32[n_rows], tokens free in each row; the row after those that are opened is empty and always fits.
    free = np.full(len(length) + 1, row_length, np.int32)
    pieces = [0] * len(length)  # of each row
    row: list[int] = []
    first, opened = 0, 0  # every row before `first` is full
    for tokens, copy in zip(length.tolist(), copies.tolist(), strict=True):
        start = first if same is None else max(first, beyond.get(copy, 0))
        found = start + int((free[start : opened + 1] >= tokens).argmax())
        if together and found == opened:
            start = opened
            found = first + int((free[first : opened + 1] >= tokens).argmax())
        if same is not None and tokens < row_length:
            beyond[copy] = max(start, found + 1)
        row.append(found)
        free[found] -= tokens
        pieces[found] += 1
        if pieces[found] == max_documents:
            free[found] = 0
        opened = max(opened, found + 1)
        while free[first] == 0:
            first += 1
    return Pieces(document, offset, length, np.array(row, np.int64))
