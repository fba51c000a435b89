"""The protocols of data sets, loaders and iterables of minibatches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Protocol, TypeVar, runtime_checkable

from resumable_data.opaque import JsonDict

ItemT_co = TypeVar("ItemT_co", covariant=True)


class SizedIterable(Iterable[ItemT_co], Sized, Protocol[ItemT_co]):
    """An iterable with a length, as a progress bar needs it."""


class MapDatasetProtocol(Protocol[ItemT_co]):
    """A data set with random access: samples by index, and their number."""

    def __getitem__(self, index: int, /) -> ItemT_co:
        """Returns the sample at an index."""
        ...

    def __len__(self) -> int:
        """Returns the number of samples."""
        ...


class DataLoaderProtocol(Protocol[ItemT_co]):
    """A loader that makes minibatches of a data set, one pass at a time."""

    @property
    def minibatch_size(self) -> int:
        """Samples of a minibatch."""
        ...

    def minibatch_count(self) -> int:
        """Counts the minibatches of a pass."""
        ...

    def minibatches(self, shuffle_seed: int | None) -> SizedIterable[ItemT_co]:
        """Makes a pass over the data set, shuffled if there is a seed."""
        ...


@runtime_checkable
class Startable(Protocol[ItemT_co]):
    """An iterable that can start at any item without making the items before it. So its position is a number."""

    def description(self) -> JsonDict:
        """Returns the settings that decide its items, as JSON values."""
        ...

    def start(self, step: int) -> Iterator[ItemT_co]:
        """Returns an iterator over its items from index ``step`` on."""
        ...
