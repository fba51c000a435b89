"""Groups: which windows stand together, who measures them, and the one order of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from property_tests.testing.oracle.documents import Document, Row
from property_tests.testing.oracle.packing import Packing

MOST_EXTENSIONS = 64
ROWS_A_SHARD = 8
"""Below so many rows a shard a group takes more windows, where documents may be left out."""

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """A group.

    Attributes:
        documents: Of each logical shard, one after the other.
        first_window: The number of each shard's first window; None where it has none.
        stop: The number of the first window after the group.
    """

    documents: tuple[tuple[Document, ...], ...]
    first_window: tuple[int | None, ...]
    stop: int

    @property
    def dropped(self) -> int:
        """Documents that are left out."""
        return sum(document.dropped for documents in self.documents for document in documents)


def window_bounds(documents: int, windows: int) -> list[range]:
    """The positions of each window: as many windows as asked for, whose sizes differ by at most one."""
    return [range(w * documents // windows, (w + 1) * documents // windows) for w in range(windows)]


def windows_of_epoch(documents: int, window: int, shards: int) -> int:
    """How many windows an epoch has: a multiple of the shards, unless so few that most shards would have none."""
    windows = -(-documents // window)
    if 2 * windows < shards:
        return windows
    while windows % shards:
        windows += 1
    return windows


def next_group(
    takes: Iterator[Sequence[Sequence[Document]]], shards: int, packing: Packing, *, extends: bool, before: int = 0
) -> Group | None:
    """The group of the next windows of an epoch or of a mix, or None at its end.

    Args:
        takes: Windows that are taken together.
        shards: Logical shards.
        packing: How windows are packed.
        extends: Whether a group takes more where it has few tokens.
        before: What the number of its first window is.
    """
    taken = list(islice(takes, 1))
    if not taken:
        return None
    while extends and len(taken) <= MOST_EXTENSIONS:
        documents = [document for windows in taken for window in windows for document in window]
        if packing.fills(documents, ROWS_A_SHARD * shards):
            break
        more = next(takes, None)
        if more is None:
            break
        taken.append(more)
    of_shards: list[list[Document]] = [[] for _ in range(shards)]
    first_window: list[int | None] = [None] * shards
    number = before
    for windows in taken:
        for place, window in enumerate(windows):
            shard = place * shards // len(windows)
            of_shards[shard] += window
            first_window[shard] = number if first_window[shard] is None else first_window[shard]
            number += 1
    return Group(tuple(map(tuple, of_shards)), tuple(first_window), number)


def sequence_of(
    group: Group, rows_of: Callable[[Sequence[Document], int], Sequence[Row]], *, known: bool
) -> list[Row]:
    """The rows of a group in their one order.

    Args:
        group: The group.
        rows_of: Packs a shard's documents, given the number of the shard's first window too.
        known: Whether lengths are known, so that rows have no owner.
    """
    lists: list[list[Row]] = []
    for shard, (documents, window) in enumerate(zip(group.documents, group.first_window, strict=True)):
        rows = [] if window is None else rows_of(documents, window)
        lists.append([Row(row.spans, None if known else shard) for row in rows])
    return interleaved(evened(lists))


def spread(shards: int) -> list[int]:
    """The shards in bit-reversed order."""
    bits = (shards - 1).bit_length()

    def reversed_bits(number: int) -> int:
        return sum(1 << (bits - 1 - bit) for bit in range(bits) if number >> bit & 1)

    return sorted(range(shards), key=reversed_bits)


def evened(lists: Sequence[Sequence[T]]) -> list[list[T]]:
    """The same lists, equally long: what one has too many of, its last, stands at the end of near ones."""
    shards, count = len(lists), sum(map(len, lists))
    wanted = [count // shards] * shards
    for shard in spread(shards)[: count % shards]:
        wanted[shard] += 1
    return [own + others for own, others in halved(lists, wanted)]


def interleaved(lists: Sequence[Sequence[T]]) -> list[T]:
    """The first of every list, then the second of every list, and so on, the lists in bit-reversed order."""
    longest = max(map(len, lists))
    return [
        lists[shard][place] for place in range(longest) for shard in spread(len(lists)) if place < len(lists[shard])
    ]


def halved(lists: Sequence[Sequence[T]], wanted: Sequence[int]) -> list[tuple[list[T], list[T]]]:
    """What each shard has when those with too much give it to those with too little, the nearest first.

    Shards are the leaves of a binary tree. Within the smallest subtree first, what is left over goes to the
    places that are empty, both in the order of the shards; what finds none is handed to the next larger subtree.

    Returns:
        Of each shard what it keeps, its first, and what it is given, by the shard that gives it.
    """
    kept = [list(own[:number]) for own, number in zip(lists, wanted, strict=True)]
    given: list[list[tuple[int, int]]] = [[] for _ in lists]  # (shard that gives, place in its list)
    left_over = [
        [(shard, place) for place in range(number, len(lists[shard]))] for shard, number in enumerate(wanted)
    ]
    empty = [[shard] * (number - len(kept[shard])) for shard, number in enumerate(wanted)]
    while True:
        for things, places in zip(left_over, empty, strict=True):
            while things and places:
                given[places.pop(0)].append(things.pop(0))
        if len(empty) == 1:
            break
        left_over, empty = _joined_in_pairs(left_over), _joined_in_pairs(empty)
    return [(own, [lists[s][k] for s, k in sorted(others)]) for own, others in zip(kept, given, strict=True)]


def _joined_in_pairs(lists: list[list[T]]) -> list[list[T]]:
    """The lists of siblings together; an odd one out stays alone."""
    return [[thing for one in lists[i : i + 2] for thing in one] for i in range(0, len(lists), 2)]
