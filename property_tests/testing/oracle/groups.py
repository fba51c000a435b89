"""Groups: the windows of a group, the shards that measure them, and the one order of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from property_tests.testing.oracle.documents import Document, Row
from property_tests.testing.oracle.packing import Packing

MOST_EXTENSIONS = 64
ROWS_A_SHARD = 8
"""If a group has fewer rows a shard and documents may be dropped, it takes more windows."""

T = TypeVar("T")


@dataclass(frozen=True)
class Take(Generic[T]):
    """Windows that are measured together.

    Attributes:
        windows: The windows.
        shards: The logical shard of each.
    """

    windows: Sequence[T]
    shards: Sequence[int]


def take_of(windows: Sequence[T], shards: int, *, later: bool) -> Take[T]:
    """Spreads windows over the shards: of a small group that comes later, over those halfway between."""
    distance = shards // len(windows)
    return Take(windows, [i * shards // len(windows) + (distance // 2 if later else 0) for i in range(len(windows))])


@dataclass(frozen=True)
class Group:
    """A group.

    Attributes:
        documents: The documents of each logical shard, shard after shard.
        first_window: The number of each shard's first window; None if it has no window.
        stop: The number of the first window after the group.
    """

    documents: tuple[tuple[Document, ...], ...]
    first_window: tuple[int | None, ...]
    stop: int

    @property
    def dropped(self) -> int:
        """The documents that are dropped."""
        return sum(document.dropped for documents in self.documents for document in documents)


def window_bounds(documents: int, windows: int) -> list[range]:
    """Cuts positions into a number of windows, whose sizes differ by at most one."""
    return [range(w * documents // windows, (w + 1) * documents // windows) for w in range(windows)]


def takes_of_epoch(documents: int, window: int, shards: int, epoch: int) -> list[Take[range]]:
    """Returns the positions of the windows of an epoch.

    Their number is a multiple of the shards, unless most shards would then have none. Epoch 0 begins with a quarter
    of a group, another quarter and a half: if it is long, in smaller windows, else in fewer windows.
    """
    windows = -(-documents // window)
    if 2 * windows >= shards:
        while windows % shards:
            windows += 1
    bounds = window_bounds(documents, windows)
    if epoch or shards == 1:
        return _in_takes(bounds, [shards] * windows, shards)
    if windows >= 4 * shards:
        quarters, halves = window_bounds(documents, 4 * windows), window_bounds(documents, 2 * windows)
        bounds = quarters[: 2 * shards] + halves[shards : 2 * shards] + bounds[shards:]
        return _in_takes(bounds, [shards] * windows, shards)
    whole = min(windows, shards)
    small = [whole // 4, whole // 2 - whole // 4, whole - whole // 2]
    return [
        *_in_takes(bounds[:whole], small, shards, small=True),
        *_in_takes(bounds[whole:], [shards] * windows, shards),
    ]


def _in_takes(
    bounds: Sequence[range], sizes: Sequence[int], shards: int, *, small: bool = False
) -> list[Take[range]]:
    left = iter(bounds)
    takes = [take for size in sizes if (take := list(islice(left, size)))]
    return [take_of(take, shards, later=small and number > 0) for number, take in enumerate(takes)]


def next_group(
    takes: Iterator[Take[Sequence[Document]]], shards: int, packing: Packing, *, extends: bool, before: int = 0
) -> Group | None:
    """Makes the group of the next windows of an epoch or of a mix; None at its end.

    Args:
        takes: The windows that are measured together.
        shards: Logical shards.
        packing: The packing of windows.
        extends: Whether a group with few tokens takes more windows.
        before: The number of its first window.
    """
    taken = list(islice(takes, 1))
    if not taken:
        return None
    while extends and len(taken) <= MOST_EXTENSIONS:
        documents = [document for take in taken for window in take.windows for document in window]
        if packing.fills(documents, ROWS_A_SHARD * shards):
            break
        more = next(takes, None)
        if more is None:
            break
        taken.append(more)
    of_shards: list[list[Document]] = [[] for _ in range(shards)]
    first_window: list[int | None] = [None] * shards
    number = before
    for take in taken:
        for shard, window in zip(take.shards, take.windows, strict=True):
            of_shards[shard] += window
            first_window[shard] = number if first_window[shard] is None else first_window[shard]
            number += 1
    return Group(tuple(map(tuple, of_shards)), tuple(first_window), number)


def sequence_of(
    group: Group, rows_of: Callable[[Sequence[Document], int], Sequence[Row]], *, known: bool
) -> list[Row]:
    """Puts the rows of a group in their one order.

    Args:
        group: The group.
        rows_of: Packs a shard's documents; it also gets the number of the shard's first window.
        known: Whether lengths are known, so that rows have no owner.
    """
    lists: list[list[Row]] = []
    for shard, (documents, window) in enumerate(zip(group.documents, group.first_window, strict=True)):
        rows = [] if window is None else rows_of(documents, window)
        lists.append([Row(row.spans, None if known else shard) for row in rows])
    return interleaved(evened(lists))


def spread(shards: int) -> list[int]:
    """Returns the shards in bit-reversed order."""
    bits = (shards - 1).bit_length()

    def reversed_bits(number: int) -> int:
        return sum(1 << (bits - 1 - bit) for bit in range(bits) if number >> bit & 1)

    return sorted(range(shards), key=reversed_bits)


def evened(lists: Sequence[Sequence[T]]) -> list[list[T]]:
    """Makes the lists equally long: the last elements of a long list move to the ends of near ones."""
    shards, count = len(lists), sum(map(len, lists))
    wanted = [count // shards] * shards
    for shard in spread(shards)[: count % shards]:
        wanted[shard] += 1
    return [own + others for own, others in halved(lists, wanted)]


def interleaved(lists: Sequence[Sequence[T]]) -> list[T]:
    """Returns the first element of every list, then the second, and so on, with the lists in bit-reversed order."""
    longest = max(map(len, lists))
    return [
        lists[shard][place] for place in range(longest) for shard in spread(len(lists)) if place < len(lists[shard])
    ]


def halved(lists: Sequence[Sequence[T]], wanted: Sequence[int]) -> list[tuple[list[T], list[T]]]:
    """Lets shards with too many rows give some to shards with too few, to the nearest first.

    Shards are the leaves of a binary tree. In the smallest subtree first, surplus rows go to empty places, both in
    the order of the shards. Rows that find no place go to the next larger subtree.

    Returns:
        For each shard, the number of its own first rows that it keeps, and the rows that it gets, by giving shard.
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
    """Joins the lists of siblings. An odd one stays alone."""
    return [[thing for one in lists[i : i + 2] for thing in one] for i in range(0, len(lists), 2)]
