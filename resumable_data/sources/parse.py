"""What the bytes of a record mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from resumable_data.arrays import Int32Array, Int64Array, Ragged
from resumable_data.errors import RecordError

_GAP = bytes(4)


@runtime_checkable
class BatchParser(Protocol):
    """A parser that handles many records in one call and knows their lengths from their bytes."""

    def __call__(self, record: bytes) -> Any:
        """The document in one record."""
        ...

    def batch(self, records: Sequence[bytes]) -> Ragged:
        """The documents in many records."""
        ...

    def lengths(self, records: Sequence[bytes]) -> Int64Array:
        """Tokens of each document: int64[n]."""
        ...


def raw_bytes(record: bytes) -> bytes:
    """The record itself.

    >>> raw_bytes(b"text")
    b'text'
    """
    return record


class Int32TokenParser:
    """Records that are raw little-endian int32 tokens.

    >>> parse_int32_tokens(bytes([1, 0, 0, 0, 2, 0, 0, 0])).tolist()
    [1, 2]
    """

    def __call__(self, record: bytes) -> Int32Array:
        """Tokens of one record: int32[len(record) // 4].

        Raises:
            RecordError: The number of bytes is no multiple of four.
        """
        return self.batch([record])[0]

    def batch(self, records: Sequence[bytes]) -> Ragged:
        """Tokens of many records, joined by one free cell each."""
        lengths = self.lengths(records)
        # A byte array, so that the tokens can be written to; a free cell behind each document, so that an
        # end-of-document token can be put there without copying the tokens again.
        values = np.frombuffer(bytearray(_GAP).join([*records, b""]), "<i4").astype(np.int32, copy=False)
        starts = np.cumsum(lengths + 1) - (lengths + 1)
        return Ragged(values, starts, lengths, spare=1)

    def lengths(self, records: Sequence[bytes]) -> Int64Array:
        """Tokens of each record, from its size."""
        sizes = np.fromiter(map(len, records), np.int64, len(records))
        odd = np.flatnonzero(sizes % 4)
        if odd.size:
            place = int(odd[0])
            raise RecordError(
                f"{sizes[place]} bytes are no multiple of 4, so they are no array of int32 tokens. "
                "Pass the parse= that reads these records"
            )
        return sizes // 4


parse_int32_tokens = Int32TokenParser()
