"""A pass over a data set: an iterable of minibatches that knows its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, SupportsIndex, TypeVar, overload

from resumable_data.arguments import as_integer
from resumable_data.digest import Json
from resumable_data.interfaces.loaders.order import PassOrder
from resumable_data.interfaces.loaders.stateful import LoaderIterator
from resumable_data.opaque import JsonDict, Record

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, eq=False)
class Pass(Generic[ItemT]):
    """The minibatches of one pass. Each iterator begins at the first; several can run at the same time.

    Attributes:
        order: The samples of each minibatch.
        data: The other facts that decide the minibatches, as JSON values.
        load: Yields the minibatches of an order from an index on.
    """

    order: PassOrder
    data: Mapping[str, Json]
    load: Callable[[PassOrder, int], Iterator[ItemT]]

    def __len__(self) -> int:
        return self.order.count

    def __iter__(self) -> LoaderIterator[ItemT]:
        return LoaderIterator(self)

    def description(self) -> JsonDict:
        """Returns what decides the minibatches, as JSON values: the data set, the sizes and the seed."""
        return {
            **self.data,
            "samples": self.order.samples,
            "minibatch_size": self.order.minibatch_size,
            "drop_last": self.order.drop_last,
            "seed": self.order.seed,
        }

    def start(self, step: int) -> Iterator[ItemT]:
        """Yields the minibatches from index ``step`` on."""
        return self.load(self.order, step)


class IndexedPass(Pass[ItemT], Sequence[ItemT]):
    """A pass whose minibatches can be taken by index."""

    @overload
    def __getitem__(self, index: int) -> ItemT: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[ItemT]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Record:
        """Loads the minibatch at an index. A negative index counts from the end.

        Raises:
            TypeError: The index is a slice.
            IndexError: There is no such minibatch.
        """
        if isinstance(index, slice):
            raise TypeError("minibatches cannot be sliced: take them one by one")
        place = as_integer("minibatches: index", index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"there is no minibatch {place}: there are {len(self)}")
        return next(self.start(place % len(self)))

    def __iter__(self) -> LoaderIterator[ItemT]:
        return LoaderIterator(self)
