"""The protocol of sources: records with random access, and a fingerprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeGuard, runtime_checkable

import numpy as np

from resumable_data.arrays import AnyArray, Int64Array
from resumable_data.digest import digest
from resumable_data.errors import RecordError
from resumable_data.opaque import Record

_BAD_RECORD = digest("bad record")


@runtime_checkable
class Source(Protocol):
    """Records with random access. Any object with these three methods is a source.

    A source that is not faster with many records in one call can say so with ``reads_together = False``. If documents
    are delivered one by one, they are then also read one by one, and none waits for a later one.
    """

    def __len__(self) -> int:
        """Returns the number of records."""
        ...

    def read(self, indices: Int64Array) -> Sequence[Record]:
        """Reads the records at the given places, hundreds at a time.

        Args:
            indices: int64[n], each in [0, len(self)); any order, repeats allowed.

        Returns:
            n records in the order of ``indices``: a ``Ragged`` if they are tokens, else any sequence.

        Raises:
            RecordError: A record is bad; the message names the source and the index.
        """
        ...

    def fingerprint(self) -> str:
        """Returns a short digest of the data, which does not depend on where the data lies."""
        ...


@runtime_checkable
class SourceWithLengths(Source, Protocol):
    """A source that can know how long each document is without reading it.

    A source that does not know lengths for all data has an attribute ``lengths_known``. Without the attribute,
    lengths are known.
    """

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the number of tokens of each record: int64[n]. It is called only if lengths are known."""
        ...


def knows_lengths(source: object) -> TypeGuard[SourceWithLengths]:
    """Tells whether a source knows how long each document is without reading it.

    >>> from resumable_data.sources.in_memory import InMemorySource
    >>> knows_lengths(InMemorySource([[1, 2]])), knows_lengths(InMemorySource([{"text": "one two"}]))
    (True, False)
    """
    return isinstance(source, SourceWithLengths) and bool(getattr(source, "lengths_known", True))


@runtime_checkable
class SourceWithFiles(Source, Protocol):
    """A source whose records lie in files."""

    def file_of(self, index: int) -> str | None:
        """Returns the path of the file that holds a record; None if it is not known."""
        ...


@runtime_checkable
class SourceWithLines(SourceWithFiles, Protocol):
    """A source whose records are lines of files."""

    def line_of(self, index: int) -> int | None:
        """Returns the line of a record in its file, from 1; None if it is not known."""
        ...


@runtime_checkable
class GrowingSource(Source, Protocol):
    """A source that can tell whether another source is its beginning.

    A restore with ``allow={"data"}`` asks this, to go on with a corpus that got new records at its end.
    """

    def fingerprint_of_first(self, records: int) -> str | None:
        """Returns the fingerprint of a source that has only the first records of this one.

        Args:
            records: Their number, from 1 to ``len(self)``.

        Returns:
            The fingerprint; None if no such source can be, as where a file would have to be cut.
        """
        ...


@runtime_checkable
class RandomAccess(Protocol):
    """A data source in the sense of Grain: a length and records by index."""

    def __len__(self) -> int:
        """Returns the number of records."""
        ...

    def __getitem__(self, index: int, /) -> Record:
        """Returns the record at an index."""
        ...


class Column(NamedTuple):
    """The values of several records in a column that holds an array of numbers for each.

    Attributes:
        values: [sum(lengths) + n], the values of each record with a 0 after them.
        lengths: int64[n], the number of values of each record, without the 0.
    """

    values: AnyArray
    lengths: Int64Array


@runtime_checkable
class SourceWithColumns(Source, Protocol):
    """A source of mappings that can read the values of some keys without making the mappings."""

    def read_columns(self, indices: Int64Array, names: Sequence[str]) -> Mapping[str, Column] | None:
        """Reads the values that the mappings at int64[n] indices hold, by key.

        Returns:
            A column for each of ``names``; None if a record does not hold an array of numbers under each of them.
            The caller then calls ``read``.
        """
        ...


def evenly_spaced(count: int, at_most: int) -> Int64Array:
    """Returns up to ``at_most`` different places spread over [0, count), with the first and the last.

    >>> evenly_spaced(10, 4).tolist(), evenly_spaced(2, 4).tolist()
    ([0, 3, 6, 9], [0, 1])
    """
    if count <= at_most:
        return np.arange(count)
    return np.arange(at_most) * (count - 1) // (at_most - 1)


def digests_or_bad(sample: Int64Array, digests: Callable[[Int64Array], Sequence[str]]) -> list[str]:
    """Digests sampled records for a fingerprint. All bad records have one digest, whatever is wrong with them.

    ``skip_bad_records`` decides whether a bad record is an error, when it is read.

    Args:
        sample: int64[n], the records.
        digests: Returns the digest of each record, or raises a ``RecordError`` if one of them is bad.

    >>> def checked(records):
    ...     if 3 in records:
    ...         raise RecordError("record 3 is bad")
    ...     return list(map(str, records.tolist()))
    >>> found = digests_or_bad(np.arange(5), checked)
    >>> found[:3] + found[4:], found[3] == digest("bad record")
    (['0', '1', '2', '4'], True)
    """
    try:
        return list(digests(sample))
    except RecordError:
        if len(sample) == 1:
            return [_BAD_RECORD]
        half = len(sample) // 2
        return digests_or_bad(sample[:half], digests) + digests_or_bad(sample[half:], digests)


def check_indices(indices: Int64Array, count: int, source: str) -> None:
    """Raises an IndexError that names the source, unless every index lies in [0, count)."""
    outside = indices[(indices < 0) | (indices >= count)]
    if outside.size:
        raise IndexError(f"{source} has records 0 to {count - 1}; asked for {int(outside[0])}")
