"""Data sets with random access, indexed as those of Grain are."""

from __future__ import annotations

from typing import Any, cast

import grain.python as grain


def as_map_dataset(dataset: Any) -> grain.MapDataset[Any]:
    """A Grain data set of anything that has ``len`` and ``[index]``."""
    return cast(Any, dataset) if isinstance(dataset, grain.MapDataset) else grain.MapDataset.source(dataset)


class RearrangedDataset(grain.MapDataset[Any]):
    """Items of another data set at other places.

    Like all data sets of Grain with random access it repeats without end: index ``len + 1`` is item 1 again.

    Args:
        dataset: A Grain data set, or anything with ``len`` and ``[index]``.
    """

    def __init__(self, dataset: Any) -> None:
        # Any: Grain takes None for an item that was filtered out, which no item here is.
        self.dataset: Any = as_map_dataset(dataset)
        super().__init__(self.dataset)

    def __len__(self) -> int:
        return len(self.dataset)

    def __str__(self) -> str:
        return f"{type(self).__name__} of {len(self)} items"

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(cast(Any, index))
        if not len(self):
            raise IndexError(f"item {index} of {self}")
        return self._item(int(index) % len(self))

    def _item(self, place: int) -> Any:
        """The item at a place from 0 to the length."""
        raise NotImplementedError
