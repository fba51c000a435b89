"""Best fit, decreasing: the longest pieces first, each to the fullest row that still has room."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.packing.copies import may_meet
from resumable_data.packing.pieces import Pieces, cut


def best_fit(
    lengths: Int64Array, row_length: int, same: Int64Array | None = None, max_documents: int | None = None
) -> Pieces:
    """Packs by decreasing length, each piece into the row with the least sufficient room (Johnson, 1973).

    Equal lengths keep their order. Among equally full rows, the one filled last is taken. A document longer
    than a row is cut into full rows and a rest, which is packed like any other.

    Documents with more copies come first, since they need the most rows, and copies follow the first copy. A copy
    goes to the best row with room that does not hold the document, else to a new row. If all different documents fit
    one row, it goes to any best row with room before it opens a new one. At most one row is at most half full; with
    copies, at most as many rows as some document has copies.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.
        same: int64[n], the first copy of each document; copies are equally long. None if all differ.
        max_documents: Most documents of a row; a row that holds so many takes no more. None for no bound.

    Returns:
        The pieces and their rows, numbered as they were opened.

    >>> best_fit(np.array([2, 3, 4, 3]), 6).row.tolist()
    [0, 1, 0, 1]
    >>> best_fit(np.array([1, 1, 1, 3]), 6, max_documents=2).row.tolist()
    [0, 1, 1, 0]
    >>> best_fit(np.array([1, 1, 4, 2]), 6, np.array([0, 0, 2, 3])).row.tolist()
    [0, 1, 1, 0]
    """
    document, offset, length = cut(lengths, row_length)
    full = length == row_length
    rests = np.flatnonzero(~full)
    copies = document[rests] if same is None else same[document[rests]]
    keys = [copies, -length[rests]]
    if same is not None:
        keys.append(-np.bincount(copies, minlength=len(same))[copies])
    order = np.lexsort(keys)
    rests, copies = rests[order], copies[order]
    repeated = np.zeros(len(rests), np.bool_)
    repeated[:-1] = copies[1:] == copies[:-1]
    together = same is not None and may_meet(lengths, same, row_length)
    row = np.empty(len(length), np.int64)
    n_full = len(length) - len(rests)
    row[full] = np.arange(n_full)
    row[rests] = n_full + _fill(
        length[rests].tolist(), repeated.tolist(), row_length, max_documents or len(rests), together=together
    )
    return Pieces(document, offset, length, row)


def _fill(
    lengths: list[int], repeated: list[bool], row_length: int, max_documents: int, *, together: bool
) -> Int64Array:
    """Finds the rows of pieces that are shorter than a row, packed in the given order.

    Args:
        lengths: Tokens of each piece.
        repeated: Whether the next piece is of a copy of the same document.
        row_length: Tokens a row.
        max_documents: At most so many pieces a row.
        together: Whether copies may meet before a row is opened.

    Returns:
        int64[len(lengths)].
    """
    rows_with: dict[int, list[int]] = {}  # tokens free -> rows on offer that have just so much room
    rooms: list[int] = []  # the keys of `rows_with` whose list is not empty, ascending
    held: list[tuple[int, int]] = []  # tokens free and number of the rows that are kept from the next copy
    apart = True  # whether rows are kept from the next copy
    chosen: list[int] = []
    pieces: list[int] = []  # of each row that was opened

    def offer(room: int, row: int) -> None:
        if pieces[row] == max_documents:
            return
        rows = rows_with.setdefault(room, [])
        if not rows:
            insort(rooms, room)
        rows.append(row)

    def offer_held() -> None:
        for room, row in held:
            offer(room, row)
        held.clear()

    for tokens, more in zip(lengths, repeated, strict=True):
        at = bisect_left(rooms, tokens)
        if at == len(rooms) and held and together:
            apart = False
            offer_held()
            at = bisect_left(rooms, tokens)
        if at == len(rooms):
            row, room = len(pieces), row_length
            pieces.append(0)
        else:
            room = rooms[at]
            rows = rows_with[room]
            row = rows.pop()
            if not rows:
                del rooms[at]
        chosen.append(row)
        pieces[row] += 1
        if more and apart:
            held.append((room - tokens, row))
        else:
            if held:
                offer_held()
            offer(room - tokens, row)
            apart = apart or not more
    return np.array(chosen, np.int64)
