"""Array types that the whole package shares, and the ragged array that records are read into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, overload

import numpy as np
import numpy.typing as npt

from resumable_data.arguments import shown
from resumable_data.errors import RecordError
from resumable_data.opaque import Record

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]


def offsets_of(lengths: Int64Array) -> Int64Array:
    """Returns the offsets of consecutive stretches.

    Args:
        lengths: int64[n], length of each stretch.

    Returns:
        int64[n + 1], where each stretch begins, and the total at the end.

    >>> offsets_of(np.array([3, 0, 2])).tolist()
    [0, 3, 3, 5]
    """
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def joined_or_none(
    arrays: Sequence[Int64Array | None], lengths: Sequence[int], missing: int = 0
) -> Int64Array | None:
    """Concatenates integers of several parts.

    Args:
        arrays: int64[n, …] of each part, or None.
        lengths: n of each part.
        missing: Fills in for a part without integers.

    Returns:
        int64[sum(lengths), …], or None where all of them are.

    >>> joined_or_none([None, np.array([7])], [2, 1]).tolist()
    [0, 0, 7]
    """
    more = next((array.shape[1:] for array in arrays if array is not None), None)
    if more is None:
        return None
    given = zip(arrays, lengths, strict=True)
    return np.concatenate([np.full((n, *more), missing) if array is None else array for array, n in given])


def ranges(starts: Int64Array, lengths: Int64Array) -> Int64Array:
    """Concatenates ``arange(start, start + length)`` over all pairs.

    Args:
        starts: int64[n], first value of each range.
        lengths: int64[n], size of each range.

    Returns:
        int64[sum(lengths)].

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = offsets_of(lengths)
    return np.arange(int(before[-1])) + np.repeat(starts - before[:-1], lengths)


@dataclass(frozen=True, eq=False)
class Ragged(Sequence[Int32Array]):
    """Token arrays of different lengths in one buffer.

    A sequence of int32 arrays for those who index it, and three flat arrays for those who gather.

    Attributes:
        values: int32[m], the tokens of all documents, in any arrangement.
        starts: int64[n], where each document begins in ``values``.
        lengths: int64[n], its number of tokens.
        spare: Cells of ``values`` after each document that belong to it and are free, so that a stage can
            append to every document without moving any.
        fields: By name [m] further values, each aligned with ``values``; None where documents are tokens alone.

    >>> documents = Ragged.from_records([[1, 2, 3], [], [4]])
    >>> documents.values.tolist(), documents.starts.tolist(), documents.lengths.tolist()
    ([1, 2, 3, 4], [0, 3, 3], [3, 0, 1])
    >>> documents[-1].tolist()
    [4]
    """

    values: Int32Array
    starts: Int64Array
    lengths: Int64Array
    spare: int = 0
    fields: Mapping[str, AnyArray] | None = None

    @classmethod
    def from_records(cls, records: Sequence[Record], name: Callable[[int], str] = "record {}".format) -> Ragged:
        """Copies one-dimensional integer records into one buffer.

        Args:
            records: Sequences or arrays of integers that fit int32.
            name: What an error calls the record at a place in ``records``.

        Returns:
            A ragged array of ``len(records)`` documents.

        Raises:
            RecordError: A record is not a one-dimensional integer array, or a value does not fit int32.
        """
        if isinstance(records, Ragged):
            return records
        arrays = [as_tokens(record, place, name) for place, record in enumerate(records)]
        lengths = np.fromiter(map(len, arrays), np.int64, len(arrays))
        values = np.concatenate(arrays) if arrays else np.zeros(0, np.int32)
        return cls(values, offsets_of(lengths)[:-1], lengths)

    @classmethod
    def concatenate(cls, parts: Sequence[Ragged]) -> Ragged:
        """Concatenates the documents of all parts.

        Args:
            parts: At least one, all with the same fields.

        >>> parts = [Ragged.from_records([[1, 2], []]), Ragged.from_records([[3]])]
        >>> [document.tolist() for document in Ragged.concatenate(parts)]
        [[1, 2], [], [3]]
        """
        before = offsets_of(np.fromiter((len(part.values) for part in parts), np.int64, len(parts)))
        names = parts[0].fields
        return cls(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.starts + first for part, first in zip(parts, before[:-1], strict=True)]),
            np.concatenate([part.lengths for part in parts]),
            spare=min(part.spare for part in parts),
            fields=None
            if names is None
            else {name: np.concatenate([(part.fields or {})[name] for part in parts]) for name in names},
        )

    def take(self, indices: Int64Array) -> Ragged:
        """Returns the documents at int64[m] places, without copying a token."""
        return replace(self, starts=self.starts[indices], lengths=self.lengths[indices])

    def compact(self) -> Ragged:
        """Returns the same documents one after the other, without other cells between them.

        >>> Ragged.from_records([[1, 2], [3], [4]]).take(np.array([2, 0])).compact().values.tolist()
        [4, 1, 2]
        """
        starts = offsets_of(self.lengths)
        if len(self.values) == starts[-1] and np.array_equal(self.starts, starts[:-1]):
            return self
        cells = ranges(self.starts, self.lengths)
        fields = None if self.fields is None else {name: values[cells] for name, values in self.fields.items()}
        return Ragged(self.values[cells], starts[:-1], self.lengths, fields=fields)

    def spread(self, kept: BoolArray) -> Ragged:
        """Puts these documents at the places where bool[m] ``kept`` is true, and empty ones at the others.

        >>> found = Ragged.from_records([[1, 2], [3]]).spread(np.array([True, False, True]))
        >>> [document.tolist() for document in found]
        [[1, 2], [], [3]]
        """
        starts, lengths = np.zeros(len(kept), np.int64), np.zeros(len(kept), np.int64)
        starts[kept], lengths[kept] = self.starts, self.lengths
        return replace(self, starts=starts, lengths=lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> Int32Array: ...
    @overload
    def __getitem__(self, index: slice) -> Ragged: ...
    def __getitem__(self, index: int | slice) -> Int32Array | Ragged:
        if isinstance(index, slice):
            return replace(self, starts=self.starts[index], lengths=self.lengths[index])
        start = self.starts[index]
        return self.values[start : start + self.lengths[index]]

    def __iter__(self) -> Iterator[Int32Array]:
        for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
            yield self.values[start : start + length]


def as_tokens(record: Record, place: int, name: Callable[[int], str]) -> Int32Array:
    """Returns one record as int32[n]; an error calls it ``name(place)``."""
    if isinstance(record, Mapping):
        keys = ", ".join(map(repr, cast(Mapping[Any, Any], record)))
        raise RecordError(
            f"{name(place)} is a mapping with the keys {keys}, not an array of tokens: say which of them are the "
            "tokens, as in pack(…, tokens='input_ids'), pad and append_eod alike; and which says what is learnt, if "
            "one does, as in pack(…, loss_mask='assistant_masks')"
        )
    if isinstance(record, str | bytes | bytearray):
        raise RecordError(
            f"{name(place)} is text ({type(record).__name__}), not an array of tokens: put tokenize(tokenizer) "
            "before pack, pad and append_eod"
        )
    try:
        array = np.asarray(record)
    except ValueError as error:
        raise RecordError(f"{name(place)} is not an array of tokens: {error}") from error
    if array.ndim != 1:
        raise RecordError(
            f"{name(place)} is {shown(record)}: it has shape {array.shape}, but a document is a one-dimensional "
            "array of tokens"
        )
    if array.dtype == np.int32:
        return array
    if array.size == 0:
        return np.zeros(0, np.int32)
    if not np.issubdtype(array.dtype, np.integer):
        raise RecordError(f"{name(place)} holds {array.dtype}; tokens are integers")
    limits = np.iinfo(np.int32)
    low, high = int(array.min()), int(array.max())
    if low < limits.min or high > limits.max:
        raise RecordError(f"{name(place)} holds values from {low} to {high}, which int32 cannot hold")
    return array.astype(np.int32)
