"""How many documents each epoch of a component has, where its data grew while a run went on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochSizes:
    """The number of documents of each epoch.

    Attributes:
        size: Documents an epoch now.
        before: Pairs (until, size) for a component that grew, oldest first: epochs before ``until`` have ``size``
            documents, if no earlier pair says another number.

    >>> sizes = EpochSizes(5, before=((2, 3),))  # the data grew from 3 to 5 documents with epoch 2
    >>> [sizes.of(epoch) for epoch in range(4)], [sizes.begin(epoch) for epoch in range(5)]
    ([3, 3, 5, 5], [0, 3, 6, 11, 16])
    >>> sizes.find(5), sizes.find(12)
    ((1, 2), (3, 1))
    """

    size: int
    before: tuple[tuple[int, int], ...] = ()

    def of(self, epoch: int) -> int:
        """Returns the number of documents of an epoch."""
        return next((size for until, size in self.before if epoch < until), self.size)

    def begin(self, epoch: int) -> int:
        """Returns the number of documents of all epochs before an epoch."""
        documents = first = 0
        for until, size in self.before:
            last = max(first, min(until, epoch))
            documents, first = documents + (last - first) * size, last
        return documents + (epoch - first) * self.size

    def find(self, position: int) -> tuple[int, int]:
        """Returns the epoch of the document at a position of the stream, and its place in the epoch."""
        first = 0
        for until, size in self.before:
            within = max(0, until - first) * size
            if position < within:
                break
            first, position = max(first, until), position - within
        epoch, place = divmod(position, self.of(first))
        return first + epoch, place

    def map(self, count: Callable[[int], int]) -> EpochSizes:
        """Returns the sizes of what is chosen of each epoch.

        Args:
            count: From a number of documents to the number that is chosen of them.
        """
        return EpochSizes(count(self.size), tuple((until, count(size)) for until, size in self.before))
