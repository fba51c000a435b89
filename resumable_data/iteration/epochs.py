"""The epochs of an iterator, one after the other, each with its elements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, Self, TypeVar

ElementT = TypeVar("ElementT")
ElementT_co = TypeVar("ElementT_co", covariant=True)


class EpochIterator(Protocol[ElementT_co]):
    """An iterator that knows its epoch."""

    @property
    def epoch(self) -> int | None:
        """The epoch in which the next element begins."""
        ...

    def __next__(self) -> ElementT_co:
        """Returns the next element."""
        ...


class Epoch(Generic[ElementT]):
    """The remaining elements that begin in one epoch.

    Attributes:
        number: The epoch, counted from 0.
    """

    def __init__(
        self, elements: EpochIterator[ElementT], number: int, count_left: Callable[[int], int | None]
    ) -> None:
        self.number = number
        self._elements = elements
        self._count_left = count_left

    def __iter__(self) -> Iterator[ElementT]:
        return self

    def __next__(self) -> ElementT:
        if self._elements.epoch != self.number:
            raise StopIteration
        return next(self._elements)

    def __repr__(self) -> str:
        return f"<epoch {self.number}>"

    def count_left(self) -> int | None:
        """Counts the remaining elements of the epoch; None if that would read documents.

        Plans them, which takes about a microsecond a document.
        """
        return self._count_left(self.number)


class Epochs(Generic[ElementT]):
    """The epochs of an iterator from the present one on.

    Args:
        elements: The iterator.
        has_next: Returns whether it has another element.
        count_left: Returns the number of remaining elements of an epoch, or None.
    """

    def __init__(
        self,
        elements: EpochIterator[ElementT],
        has_next: Callable[[], bool],
        count_left: Callable[[int], int | None],
    ) -> None:
        self._elements = elements
        self._has_next = has_next
        self._count_left = count_left

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Epoch[ElementT]:
        if not self._has_next():
            raise StopIteration
        number = self._elements.epoch
        assert number is not None
        return Epoch(self._elements, number, self._count_left)
