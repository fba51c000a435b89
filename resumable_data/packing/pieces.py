"""Pieces of documents that fit a row, and the rows of the pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of a window's documents, in the order in which they stand in their rows.

    Attributes:
        document: int64[n], number of the document in the window.
        offset: int64[n], first token of the piece within its document.
        length: int64[n], tokens of the piece; 1 to the row length.
        row: int64[n], the row it goes to; any numbering without gaps.
    """

    document: Int64Array
    offset: Int64Array
    length: Int64Array
    row: Int64Array


def cut(lengths: Int64Array, row_length: int) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Cuts every document into pieces of ``row_length`` and a rest.

    Args:
        lengths: int64[n], tokens of each document; one without tokens has no piece.
        row_length: Tokens a row.

    Returns:
        document, offset and length of each piece, int64[m] each.

    >>> [part.tolist() for part in cut(np.array([5, 0, 2]), 2)]
    [[0, 0, 0, 2], [0, 2, 4, 0], [2, 2, 1, 2]]
    """
    counts = -(-lengths // row_length)
    document = np.repeat(np.arange(len(lengths)), counts)
    offset = (np.arange(len(document)) - np.repeat(offsets_of(counts)[:-1], counts)) * row_length
    return document, offset, np.minimum(lengths[document] - offset, row_length)
