"""Data sets with random access, with the indexing of Grain's data sets."""

from __future__ import annotations

from typing import Any, SupportsIndex, cast

import grain.python as grain

from resumable_data.opaque import Indexable, Record


def as_map_dataset(dataset: Indexable) -> grain.MapDataset[Record]:
    """Makes a Grain data set of an object with ``len`` and ``[index]``."""
    return cast(Any, dataset) if isinstance(dataset, grain.MapDataset) else grain.MapDataset.source(dataset)


class RearrangedDataset(grain.MapDataset[Record]):
    """The items of another data set at other places.

    Like every Grain data set with random access it repeats without end: index ``len + 1`` is item 1 again.

    Args:
        dataset: A Grain data set, or an object with ``len`` and ``[index]``.
    """

    def __init__(self, dataset: Indexable) -> None:
        # Any: for Grain an item that was filtered out is None, but here no item is filtered out.
        self.dataset: Indexable = as_map_dataset(dataset)
        super().__init__(self.dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def __str__(self) -> str:
        return f"{type(self).__name__} of {len(self)} items"

    def __getitem__(self, index: SupportsIndex | slice) -> Record:
        if isinstance(index, slice):
            return self.slice(cast(Any, index))
        if not len(self):
            raise IndexError(f"there is no item {index} of {self}")
        return self._item(int(index) % len(self))

    def _item(self, place: int) -> Record:
        """Returns the item at a place in ``[0, len(self))``."""
        raise NotImplementedError
