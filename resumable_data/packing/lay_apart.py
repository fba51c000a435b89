"""Lays documents end to end, so that no row holds one document twice, or too many documents."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from resumable_data.arrays import Int64Array

_TRIES = 3


def lay_apart(
    lengths: Int64Array, row_length: int, same: Int64Array, max_documents: int | None = None
) -> tuple[Int64Array, Int64Array]:
    """Lays documents end to end in their own order, except copies that would meet in a row.

    Such a copy waits. It comes first as soon as the present row does not hold its document. If only waiting copies
    are left, the row is closed before it is full. To avoid this, those copies are laid again, before all others, from
    the first row on, if this may take fewer rows.

    All rows are full but the last and those that are closed, and each of these holds a copy of what is laid last. So
    fewer rows are closed than some document has copies. A row that holds the most documents is closed too.

    Args:
        lengths: int64[n], tokens of each document; those without tokens are left out.
        row_length: Tokens a row.
        same: int64[n], the first copy of each document.
        max_documents: At most so many documents a row. None for no limit.

    Returns:
        The documents as they lie, int64[m], and where each starts, int64[m]: token ``starts % row_length`` of row
        ``starts // row_length``.

    >>> [array.tolist() for array in lay_apart(np.array([1, 1, 3, 4]), 4, np.array([0, 0, 2, 3]))]
    [[0, 2, 1, 3], [0, 1, 4, 5]]
    """
    order = np.flatnonzero(lengths)
    most = max_documents or max(len(order), 1)
    fewest = max(-(-int(lengths.sum()) // row_length), -(-len(order) // most))
    # One document with more copies than there are rows to fill closes rows whatever comes first.
    hopeless = len(order) > 0 and int(np.bincount(same[order]).max()) > fewest
    tries: list[tuple[int, Int64Array, Int64Array]] = []
    for _ in range(1 if hopeless else _TRIES):
        laid = _lay(lengths[order].tolist(), row_length, same[order].tolist(), most)
        tries.append((-(-laid.stop // row_length), order[laid.order], np.array(laid.starts, np.int64)))
        if tries[-1][0] == fewest:
            break
        order = np.concatenate([order[laid.late], np.delete(order, laid.late)])
    _, order, starts = min(tries, key=lambda tried: tried[0])
    return order, starts


@dataclass(frozen=True)
class _Laid:
    """Documents as they lie.

    Attributes:
        order: Their numbers.
        starts: Where each starts.
        stop: Where the last of them ends.
        late: The documents that were left when the first row was closed.
    """

    order: list[int]
    starts: list[int]
    stop: int
    late: list[int]


def _lay(lengths: list[int], row_length: int, same: list[int], most: int) -> _Laid:
    """Lays the first document that may lie in the present row, over and over."""
    order: list[int] = []
    starts: list[int] = []
    late: list[int] = []
    place = row = 0
    in_row = 0  # documents in the present row
    last_row: dict[int, int] = {}  # document -> the row in which the copy laid last ends
    waiting: defaultdict[int, deque[int]] = defaultdict(deque)  # document -> its copies that wait, in order
    held: list[int] = []  # those of `waiting` with a copy in the present row
    ready: list[int] = []  # the first waiting copy of each of the others, as a heap
    upcoming = deque(range(len(lengths)))
    while upcoming or ready or held:
        if ready or upcoming:
            number = heappop(ready) if ready else upcoming.popleft()
            document = same[number]
            if last_row.get(document) == row:
                if not waiting[document]:
                    held.append(document)
                waiting[document].append(number)
                continue
            order.append(number)
            starts.append(place)
            place += lengths[number]
            in_row = in_row + 1 if place // row_length == row else 1
            last_row[document] = (place - 1) // row_length
            if waiting[document]:
                held.append(document)
            if in_row == most and place % row_length:
                place = (place // row_length + 1) * row_length
        else:
            late = late or sorted(copy for copies in waiting.values() for copy in copies)
            place = (row + 1) * row_length
        if place // row_length > row:
            row = place // row_length
            in_row = 1 if last_row[same[order[-1]]] == row else 0
            for document in held:
                if last_row[document] < row:
                    heappush(ready, waiting[document].popleft())
            held = [document for document in held if last_row[document] == row]
    return _Laid(order, starts, place, late)
