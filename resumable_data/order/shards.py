"""Logical shards: which positions of a stream belong to one of them, and how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_SHARDS = 64


@dataclass(frozen=True)
class Share:
    """The positions ``shard, shard + shards, shard + 2 * shards, …`` of an endless stream.

    Attributes:
        shard: The logical shard, from 0.
        shards: How many there are.

    >>> share = Share(shard=1, shards=4)
    >>> [share.position(index) for index in range(3)], share.count(6)
    ([1, 5, 9], 2)
    """

    shard: int = 0
    shards: int = 1

    def position(self, index: int) -> int:
        """The position in the stream of the shard's element ``index``."""
        return self.shard + index * self.shards

    def count(self, positions: int) -> int:
        """How many of the first ``positions`` positions are the shard's."""
        return max(0, -((self.shard - positions) // self.shards))


WHOLE = Share()
"""The share of a single shard: every position."""


def default_shards(sizes: Sequence[int]) -> int:
    """The largest power of two, at most 64, that divides every batch size.

    >>> default_shards([96, 32]), default_shards([7]), default_shards([512])
    (32, 1, 64)
    """
    return math.gcd(MOST_SHARDS, *sizes)
