"""What data sets and loaders offer, and what iterables of minibatches do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any, Protocol, TypeVar, runtime_checkable

ItemT_co = TypeVar("ItemT_co", covariant=True)


class SizedIterable(Iterable[ItemT_co], Sized, Protocol[ItemT_co]):
    """An iterable whose length is known, as a progress bar wants it."""


class MapDatasetProtocol(Protocol[ItemT_co]):
    """A data set with random access: samples by index, and how many there are."""

    def __getitem__(self, index: int, /) -> ItemT_co:
        """The sample at an index."""
        ...

    def __len__(self) -> int:
        """Number of samples."""
        ...


class DataLoaderProtocol(Protocol[ItemT_co]):
    """What makes minibatches of a data set, one pass at a time."""

    @property
    def minibatch_size(self) -> int:
        """Samples of a minibatch."""
        ...

    def minibatch_count(self) -> int:
        """Minibatches of a pass."""
        ...

    def minibatches(self, shuffle_seed: int | None) -> SizedIterable[ItemT_co]:
        """A pass over the data set, shuffled if there is a seed."""
        ...


@runtime_checkable
class Startable(Protocol[ItemT_co]):
    """An iterable that can start at any item without making those before it: so its position is a number."""

    def description(self) -> dict[str, Any]:
        """What decides its items, as JSON values."""
        ...

    def start(self, step: int) -> Iterator[ItemT_co]:
        """Its items from one on."""
        ...
