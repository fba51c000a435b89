"""Concatenate and split: the documents of a window, one after the other, are cut at the end of every row."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of, ranges
from resumable_data.packing.copies import may_meet
from resumable_data.packing.lay_apart import lay_apart
from resumable_data.packing.pieces import Pieces


def concat_split(
    lengths: Int64Array, row_length: int, same: Int64Array | None = None, max_documents: int | None = None
) -> Pieces:
    """Lays the documents end to end and cuts the text every ``row_length`` tokens.

    It fills every row of a window except the last, but cuts documents in two.

    A copy that would lie in a row with another copy of its document waits for the next row, unless all different
    documents fit one row: see ``lay_apart``, which also says when a row before the last is not filled. A row that
    holds the most documents is left as it is, and the next document begins the next row.

    Args:
        lengths: int64[n], tokens of each document of a window.
        row_length: Tokens a row.
        same: int64[n], the first copy of each document; None if all differ.
        max_documents: Most documents of a row, those that began before it included; None for no bound.

    Returns:
        The pieces and their rows, as they lie.

    >>> pieces = concat_split(np.array([3, 4, 1]), 4)
    >>> pieces.document.tolist(), pieces.offset.tolist(), pieces.row.tolist()
    ([0, 1, 1, 2], [0, 0, 1, 0], [0, 0, 1, 1])
    >>> pieces = concat_split(np.array([1, 1, 3, 4]), 4, np.array([0, 0, 2, 3]))
    >>> pieces.document.tolist(), pieces.row.tolist()
    ([0, 2, 1, 3, 3], [0, 0, 1, 1, 2])
    >>> concat_split(np.array([1, 1, 1, 1]), 4, max_documents=3).row.tolist()
    [0, 0, 0, 1]
    """
    everything = np.arange(len(lengths))
    if same is not None and may_meet(lengths, same, row_length):
        same = None
    if same is not None:
        return _pieces(lengths, row_length, *lay_apart(lengths, row_length, same, max_documents))
    pieces = _pieces(lengths, row_length, everything, offsets_of(lengths)[:-1])
    if max_documents is None or np.bincount(pieces.row).max(initial=0) <= max_documents:
        return pieces
    return _pieces(lengths, row_length, *lay_apart(lengths, row_length, everything, max_documents))


def _pieces(lengths: Int64Array, row_length: int, order: Int64Array, starts: Int64Array) -> Pieces:
    """Returns the pieces of documents as they lie.

    Args:
        lengths: int64[n], tokens of each document.
        row_length: Tokens a row.
        order: int64[m], the documents as they lie.
        starts: int64[m], where each of them starts.
    """
    stops = starts + lengths[order]
    first_rows = starts // row_length
    # A document without tokens has no piece, wherever it lies.
    counts = np.where(stops > starts, -(-stops // row_length) - first_rows, 0)
    row = ranges(first_rows, counts)
    whole = np.repeat(starts, counts)
    begins = np.maximum(row * row_length, whole)
    ends = np.minimum((row + 1) * row_length, np.repeat(stops, counts))
    return Pieces(np.repeat(order, counts), begins - whole, ends - begins, row)
