"""What every source offers: records with random access, and a fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from resumable_data.arrays import Int64Array


@runtime_checkable
class Source(Protocol):
    """Records with random access. Any object with these three methods is a source."""

    def __len__(self) -> int:
        """Number of records."""
        ...

    def read(self, indices: Int64Array) -> Sequence[Any]:
        """Records at the given places, hundreds at a time.

        Args:
            indices: int64[n], each in [0, len(self)); any order, repeats allowed.

        Returns:
            n records in the order of ``indices``: a ``Ragged`` where they are tokens, else any sequence.

        Raises:
            RecordError: A record is bad; the message names the source and the index.
        """
        ...

    def fingerprint(self) -> str:
        """A short digest of what the records are: the same wherever the same data lies."""
        ...


@runtime_checkable
class SourceWithLengths(Source, Protocol):
    """A source that knows how long each document is without reading it."""

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Tokens of each record: int64[n] for int64[n]."""
        ...


def evenly_spaced(count: int, at_most: int) -> Int64Array:
    """Up to ``at_most`` different places spread over [0, count), the first and the last among them.

    >>> evenly_spaced(10, 4).tolist(), evenly_spaced(2, 4).tolist()
    ([0, 3, 6, 9], [0, 1])
    """
    if count <= at_most:
        return np.arange(count)
    return np.arange(at_most) * (count - 1) // (at_most - 1)


def check_indices(indices: Int64Array, count: int, source: str) -> None:
    """Raises IndexError, naming the source, unless every index lies in [0, count)."""
    outside = indices[(indices < 0) | (indices >= count)]
    if outside.size:
        raise IndexError(f"{source} has records 0 to {count - 1}; asked for {int(outside[0])}")
