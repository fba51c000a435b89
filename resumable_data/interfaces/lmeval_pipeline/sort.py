"""The items of a data set in the order of a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from resumable_data.interfaces.lmeval_pipeline.indexing import RearrangedDataset
from resumable_data.opaque import Indexable, JsonObject, Record


def token_length(item: JsonObject) -> int:
    """Returns the length of an item's ``inputs``, int[batch, length]: a key to sort by.

    >>> token_length({"inputs": np.array([[1, 2, 3]])})
    3
    """
    return int(np.shape(item["inputs"])[1])


class SortedDataset(RearrangedDataset):
    """The items of a data set, sorted by a key. Items with equal keys keep their order.

    Each item is read once for its key, when the data set is made, and again when it is taken: only the order stays in
    memory.

    Args:
        dataset: A Grain data set, or an object with ``len`` and ``[index]``.
        key: Returns the key of an item.
        reverse: Whether the largest key comes first.

    >>> import grain.python as grain
    >>> SortedDataset(grain.MapDataset.source([3, 1, 2]), lambda x: x)[0]
    1
    >>> SortedDataset(grain.MapDataset.source([3, 1, 2]), lambda x: x, reverse=True)[0]
    3
    >>> items = grain.MapDataset.source([{"inputs": np.array([[1, 2, 3]])}, {"inputs": np.array([[1, 2]])}])
    >>> SortedDataset(items, token_length)[0]
    {'inputs': array([[1, 2]])}
    """

    def __init__(self, dataset: Indexable, key: Callable[[Any], Any], reverse: bool = False) -> None:
        super().__init__(dataset)
        self.key = key
        keys = [key(self.dataset[place]) for place in range(len(self.dataset))]
        self._order = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)

    def _item(self, place: int) -> Record:
        return self.dataset[self._order[place]]
