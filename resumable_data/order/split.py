"""Deals records to the parts of a split at random, block by block, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.order.keyed_hash import derive_key, mix64
from resumable_data.order.mixture import exact_weights
from resumable_data.order.permutation import permutation

VERSION = 1
MOST_BLOCK = 2**16


def split_weights(shares: Mapping[str, float]) -> tuple[int, ...]:
    """Returns the records of each part in a block, for positive shares in the order of their names.

    If the shares need a block of more than 65,536 records, they are rounded to a block of 65,536.

    >>> split_weights({"train": 0.99, "eval": 0.01})
    (1, 99)
    """
    (weights,) = exact_weights([shares], sorted(shares), MOST_BLOCK)
    return weights


@dataclass(frozen=True)
class Part:
    """One part of a split.

    The records are dealt in blocks of ``sum(weights)`` neighbours. Each part has exactly its number of every whole
    block. A fixed random choice, rotated by a hash of the block, says which. So the part of a record depends only on
    its index, and records that are added to the end of a corpus move no other record to another part.

    Attributes:
        weights: Records of each part in a block.
        number: Which part this is.
        seed: Each seed deals the records in another way.

    >>> train, held_out = (Part((4, 1), number, seed=0) for number in range(2))
    >>> train.records(np.arange(8)).tolist(), held_out.records(np.arange(2)).tolist()
    ([0, 1, 2, 4, 5, 6, 8, 9], [3, 7])
    >>> train.count(7), held_out.count(7)
    (6, 1)
    """

    weights: tuple[int, ...]
    number: int
    seed: int

    def count(self, records: int) -> int:
        """Returns how many of the first ``records`` records belong to this part."""
        whole, rest = divmod(records, self._block)
        cells = (self._cells + int(self._rotations(np.array([whole]))[0])) % self._block
        return whole * len(cells) + int((cells < rest).sum())

    def records(self, places: Int64Array) -> Int64Array:
        """Returns the records at int64[n] places of this part: int64[n]. Records ascend with places."""
        blocks, ranks = np.divmod(places, len(self._cells))
        rotations = self._rotations(blocks)
        # The rotation moves the last cells of a block to its beginning.
        first = np.searchsorted(self._cells, self._block - rotations)
        cells = self._cells[(first + ranks) % len(self._cells)]
        return blocks * self._block + (cells + rotations) % self._block

    @property
    def _block(self) -> int:
        return sum(self.weights)

    @property
    def _cells(self) -> Int64Array:
        return _cells_of(self.weights, self.number, self.seed)

    def _rotations(self, blocks: Int64Array) -> Int64Array:
        # rotations: int64[n_blocks], by how much the choice is rotated in each
        (key,) = derive_key("split rotation", self.seed)
        hashes = mix64(mix64(blocks.astype(np.uint64)) ^ np.uint64(key))
        return (hashes % np.uint64(self._block)).astype(np.int64)


@lru_cache(maxsize=64)
def _cells_of(weights: tuple[int, ...], number: int, seed: int) -> Int64Array:
    """Returns the cells of a block that belong to a part, before rotation: int64[weights[number]], ascending."""
    first = sum(weights[:number])
    order = permutation(sum(weights), "split", seed)
    return np.sort(order(np.arange(first, first + weights[number])))
