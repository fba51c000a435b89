"""The one order of the rows of several logical shards, and their slots in a batch.

Each logical shard has a list of rows. The rows of a group are dealt in rounds, one row of every list a round. Extra
rows of a list go to the nearest list that lacks some, in the binary tree over the shards. The same rule puts the rows
of a batch into slots: each shard has an equal part of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of, ranges

NO_SHARD = -1
"""The owner of rows whose lengths were known. No shard measured them."""


def deal_rows(counts: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Orders a group's rows, so that any stretch of them is spread evenly over the shards.

    Args:
        counts: int64[n_shards], rows of each shard's list.

    Returns:
        shard and number, int64[n_rows] each: row ``number`` of the list of ``shard`` comes next.

    >>> [part.tolist() for part in deal_rows(np.array([2, 2, 2, 2]))]
    [[0, 2, 1, 3, 0, 2, 1, 3], [0, 0, 0, 0, 1, 1, 1, 1]]
    >>> [part.tolist() for part in deal_rows(np.array([4, 0]))]  # two rows of shard 0 go to shard 1
    [[0, 0, 0, 0], [0, 2, 1, 3]]
    """
    shards = len(counts)
    rank = np.argsort(_round_order(shards), kind="stable")  # rank: int64[n_shards], the turn of each shard in a round
    full, rest = divmod(int(counts.sum()), shards)
    dealt = _deal(counts, full + (rank < rest))
    order = np.lexsort((rank[dealt.place], dealt.turn))
    return dealt.shard[order], dealt.number[order]


def fill_slots(owner: Int64Array, shards: int) -> Int64Array:
    """Returns the row of each slot of a full batch.

    Shard ``s`` of S has slots ``[s * G // S, (s + 1) * G // S)`` of G. Rows go to the slots of the shard that
    measured them, while it has free ones. The others go to the nearest shard with free slots. Rows without an owner
    fill the rest. In the slots of a shard its own rows stand first.

    Args:
        owner: int64[n_rows], the shard that measured each row, or ``NO_SHARD``.
        shards: Number of shards.

    Returns:
        int64[n_rows], the row that stands in each slot.

    >>> fill_slots(np.array([1, 0, 1, 0]), 2).tolist(), fill_slots(np.array([1, 1, -1, 1]), 2).tolist()
    ([1, 3, 0, 2], [3, 2, 0, 1])
    """
    rows = len(owner)
    owned = np.flatnonzero(owner != NO_SHARD)
    if shards == 1 or not len(owned):
        return np.arange(rows)
    first_slot = np.arange(shards + 1) * rows // shards  # int64[n_shards + 1], first slot of each shard
    have = np.bincount(owner[owned], minlength=shards)
    row_of_thing = owned[np.argsort(owner[owned], kind="stable")]  # by shard, then in the order of the batch
    dealt = _deal(have, np.diff(first_slot))
    slots = np.full(rows, -1, np.int64)
    slots[first_slot[dealt.place] + dealt.turn] = row_of_thing[offsets_of(have)[dealt.shard] + dealt.number]
    slots[slots == -1] = np.flatnonzero(owner == NO_SHARD)
    return slots


@dataclass(frozen=True, eq=False)
class _Dealt:
    """The moves of things: thing ``number`` of ``shard`` goes to shard ``place``, as its thing ``turn``."""

    shard: Int64Array
    number: Int64Array
    place: Int64Array
    turn: Int64Array


def _deal(have: Int64Array, need: Int64Array) -> _Dealt:
    """Gives every shard as many things as it needs: its own first, then those of the nearest shards with too many."""
    kept = np.minimum(have, need)
    shard = np.repeat(np.arange(len(have)), kept)
    number = ranges(np.zeros(len(have), np.int64), kept)
    given, given_number, place = _share_surplus(have, need)
    order = np.lexsort((given_number, given, place))
    given, given_number, place = given[order], given_number[order], place[order]
    received = np.bincount(place, minlength=len(have))
    turn = kept[place] + ranges(np.zeros(len(have), np.int64), received)
    return _Dealt(
        np.concatenate([shard, given]),
        np.concatenate([number, given_number]),
        np.concatenate([shard, place]),
        np.concatenate([number, turn]),
    )


def _share_surplus(have: Int64Array, need: Int64Array) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Gives the extra things of shards to shards that need some: siblings first, then cousins, up the binary tree.

    Returns:
        shard, number and place, int64[n_given] each.
    """
    surplus = np.maximum(have - need, 0)
    # Each node of the tree has things, as (shard, number), and places, as shards. An odd node moves up alone.
    things: list[list[tuple[int, int]]] = [
        [(shard, number) for number in range(first, first + count)]
        for shard, (first, count) in enumerate(zip(need.tolist(), surplus.tolist(), strict=True))
    ]
    places = [[shard] * count for shard, count in enumerate(np.maximum(need - have, 0).tolist())]
    given: list[tuple[int, int, int]] = []
    left = int(surplus.sum())
    while left:
        for i, (some, free) in enumerate(zip(things, places, strict=True)):
            count = min(len(some), len(free))
            given += [(shard, number, place) for (shard, number), place in zip(some, free[:count], strict=False)]
            things[i], places[i] = some[count:], free[count:]
            left -= count
        if len(things) == 1:
            break
        if len(things) % 2:
            things, places = [*things, list[tuple[int, int]]()], [*places, list[int]()]
        things = [a + b for a, b in zip(things[::2], things[1::2], strict=True)]
        places = [a + b for a, b in zip(places[::2], places[1::2], strict=True)]
    table = np.array(given, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


@lru_cache(maxsize=64)
def _round_order(shards: int) -> Int64Array:
    """Returns the shards in the order of their turns: numbers with reversed bits, without those after the last.

    >>> _round_order(6).tolist()
    [0, 4, 2, 1, 5, 3]
    """
    bits = (shards - 1).bit_length()
    reversed_ = [int(format(number, f"0{bits}b")[::-1], 2) if bits else 0 for number in range(1 << bits)]
    return np.array([number for number in reversed_ if number < shards], np.int64)
