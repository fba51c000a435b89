"""Documents that a window holds more than once: which they are, and whether two copies may share a row.

No row holds one document twice if another row can take it. Copies may share a row only if all different documents of
a window fit one row, so that a tiny set does not get one row a copy.
"""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array


def first_copies(reader: Int64Array, record: Int64Array) -> Int64Array | None:
    """Finds the first copy of every document in its window.

    Args:
        reader: int64[n], the reader of each document.
        record: int64[n], its record there.

    Returns:
        int64[n], the number of the first document that has the same reader and record; None if all differ.

    >>> first_copies(np.array([0, 1, 1, 1]), np.array([5, 5, 7, 5])).tolist()
    [0, 1, 2, 1]
    """
    order = np.lexsort((record, reader))  # stable, so that the first copy is the first of its run
    reader, record = reader[order], record[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (reader[1:] != reader[:-1]) | (record[1:] != record[:-1])
    if begins.all():
        return None
    same = np.empty(len(order), np.int64)
    same[order] = order[begins][np.cumsum(begins) - 1]
    return same


def may_meet(lengths: Int64Array, same: Int64Array, row_length: int) -> bool:
    """Tells whether the different documents of a window fit one row, so that copies of one may share it.

    Args:
        lengths: int64[n], tokens of each document.
        same: int64[n], the first copy of each.
        row_length: Tokens a row.

    >>> same = np.array([0, 1, 0])
    >>> may_meet(np.array([3, 2, 3]), same, 5), may_meet(np.array([3, 2, 3]), same, 4)
    (True, False)
    """
    return int(lengths[same == np.arange(len(same))].sum()) <= row_length
