"""Parsers: from the bytes of a record to a document."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from resumable_data.arrays import AnyArray, Int32Array, Int64Array, Ragged
from resumable_data.errors import RecordError
from resumable_data.opaque import Record


@runtime_checkable
class BatchParser(Protocol):
    """A parser that handles many records in one call and knows their lengths from their bytes."""

    def __call__(self, record: bytes) -> Record:
        """Parses one record."""
        ...

    def batch(self, records: Sequence[bytes]) -> Ragged:
        """Parses many records."""
        ...

    def lengths(self, records: Sequence[bytes]) -> Int64Array:
        """Returns the number of tokens of each document: int64[n]."""
        ...


def raw_bytes(record: bytes) -> bytes:
    """Returns the record itself.

    >>> raw_bytes(b"text")
    b'text'
    """
    return record


class TokenParser:
    """Parses records that are raw little-endian tokens of one dtype. Each subclass has one dtype."""

    dtype = np.dtype("<i4")

    def __call__(self, record: bytes) -> Int32Array:
        """Returns the tokens of one record: int32[len(record) // itemsize].

        Raises:
            RecordError: The number of bytes is not a multiple of a token's, or int32 cannot hold a token.
        """
        return self.batch([record])[0]

    def batch(self, records: Sequence[bytes]) -> Ragged:
        """Returns the tokens of many records, with one free cell after each."""
        lengths = self.lengths(records)
        # A byte array can be written to. The free cell after each document takes an end-of-document token, so
        # that the tokens need no second copy.
        values = np.frombuffer(bytearray(bytes(self.dtype.itemsize)).join([*records, b""]), self.dtype)
        starts = np.cumsum(lengths + 1) - (lengths + 1)
        return Ragged(self._as_int32(values), starts, lengths, spare=1)

    def lengths(self, records: Sequence[bytes]) -> Int64Array:
        """Returns the number of tokens of each record, from its size."""
        itemsize = self.dtype.itemsize
        sizes = np.fromiter(map(len, records), np.int64, len(records))
        odd = np.flatnonzero(sizes % itemsize)
        if odd.size:
            size = int(sizes[odd[0]])
            fitting = [kind for kind, bytes_ in _BYTES.items() if size % bytes_ == 0]
            other = f"; {' or '.join(fitting)} would fit" if fitting else ""
            raise RecordError(
                f"{size} bytes are not a multiple of {itemsize}, so they are not an array of {self.dtype.name} tokens"
                f"{other}. Pass the parse= that reads these records, such as parse_uint16_tokens"
            )
        return sizes // itemsize

    def _as_int32(self, values: AnyArray) -> Int32Array:
        if self.dtype.itemsize > 4 and len(values):
            limits = np.iinfo(np.int32)
            for token in (int(values.min()), int(values.max())):
                if not limits.min <= token <= limits.max:
                    raise RecordError(
                        f"it holds the token {token}, which int32 cannot hold. Are these {self.dtype.name} tokens?"
                    )
        return values.astype(np.int32, copy=False)


class Int32TokenParser(TokenParser):
    """Parses records that are raw little-endian int32 tokens.

    >>> parse_int32_tokens(bytes([1, 0, 0, 0, 2, 0, 0, 0])).tolist()
    [1, 2]
    """


class UInt16TokenParser(TokenParser):
    """Parses raw little-endian uint16 tokens, as vocabularies of up to 65,536 tokens allow.

    >>> parse_uint16_tokens(bytes([1, 0, 255, 255])).tolist()
    [1, 65535]
    """

    dtype = np.dtype("<u2")


class Int64TokenParser(TokenParser):
    """Parses records that are raw little-endian int64 tokens. Int32 must be able to hold each.

    >>> parse_int64_tokens(bytes([1, 0, 0, 0, 0, 0, 0, 0])).tolist()
    [1]
    """

    dtype = np.dtype("<i8")


_BYTES = {"uint16": 2, "int32": 4}


_WIDER = {"uint16": "int32", "int32": "int64"}


def warn_of_wider_tokens(parser: TokenParser, documents: Ragged, file: str) -> None:
    """Warns if tokens look like those of a type twice as wide: every second one is 0, but not all.

    Args:
        parser: What parsed them.
        documents: Its first documents.
        file: Where they are from.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     for dtype in ("int64", "int32"):
    ...         documents = parse_int32_tokens.batch([np.arange(9, dtype=dtype).tobytes()])
    ...         warn_of_wider_tokens(parse_int32_tokens, documents, "a.arecord")
    >>> print(*[str(one.message) for one in caught])
    a.arecord: every second token is 0: are these int64 tokens? Then pass parse=parse_int64_tokens
    """
    wider = _WIDER.get(parser.dtype.name)
    if wider is None:
        return
    looked_at = [document for document in itertools.islice(documents, 16) if len(document)]
    halves = [(document[::2], document[1::2]) for document in looked_at if len(document) % 2 == 0]
    if not halves or len(halves) < len(looked_at) or sum(len(low) for low, _ in halves) < 4:
        return
    if any(low.any() for low, _ in halves) and not any(high.any() for _, high in halves):
        warnings.warn(
            f"{file}: every second token is 0: are these {wider} tokens? Then pass parse=parse_{wider}_tokens",
            stacklevel=2,
        )


parse_int32_tokens = Int32TokenParser()
parse_uint16_tokens = UInt16TokenParser()
parse_int64_tokens = Int64TokenParser()
