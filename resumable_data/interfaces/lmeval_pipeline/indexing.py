"""Data sets with random access, with the indexing of Grain's data sets."""

from __future__ import annotations

from typing import Any, cast

import grain.python as grain


def as_map_dataset(dataset: Any) -> grain.MapDataset[Any]:
    """Makes a Grain data set of an object with ``len`` and ``[index]``."""
    return cast(Any, dataset) if isinstance(dataset, grain.MapDataset) else grain.MapDataset.source(dataset)


class RearrangedDataset(grain.MapDataset[Any]):
    """The items of another data set at other places.

    Like every Grain data set with random access it repeats without end: index ``len + 1`` is item 1 again.

    Args:
        dataset: A Grain data set, or an object with ``len`` and ``[index]``.
    """

    def __init__(self, dataset: Any) -> None:
        # Any: for Grain an item that was filtered out is None, but here no item is filtered out.
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
            raise IndexError(f"there is no item {index} of {self}")
        return self._item(int(index) % len(self))

    def _item(self, place: int) -> Any:
        """Returns the item at a place in ``[0, len(self))``."""
        raise NotImplementedError
