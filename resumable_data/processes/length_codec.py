"""The lengths of documents as bytes: one or two a document."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.delivered import COUNTED

Lengths = tuple[Int64Array, Int64Array | None]
"""The lengths of n documents in tokens, int64[n], -1 for a dropped document; and their counts, int64[n, n_counted],
or None if all counts are 0."""

_VERSION = 1
_BITS = 7
_CONTINUED = 1 << _BITS
_LONGEST = 9  # bytes of a number below 2⁶³


def encode_lengths(lengths: Int64Array, counts: Int64Array | None = None) -> bytes:
    """Encodes lengths of documents as bytes.

    The first byte is the version. A varint of each length + 1 follows. If any count is not 0, a varint of each count
    follows.

    Args:
        lengths: int64[n], tokens of each document; -1 for a dropped document.
        counts: int64[n, n_counted], what is counted of each document, or None.

    Raises:
        ValueError: A length is below -1, a count below 0, or the counts are not of that shape.

    >>> encode_lengths(np.array([3, -1, 200])).hex(" ")
    '01 04 00 c9 01'
    """
    numbers = lengths + 1
    if counts is not None:
        if counts.shape != (expected := (len(lengths), len(COUNTED))):
            raise ValueError(f"the counts of {len(lengths)} documents have the shape {expected}, not {counts.shape}")
        if counts.any():
            numbers = np.concatenate([numbers, counts.ravel()])
    if numbers.min(initial=0) < 0:
        raise ValueError("a length is at least -1, and a count at least 0")
    return bytes([_VERSION]) + _varints(numbers)


def decode_lengths(body: bytes, n: int) -> Lengths:
    """Decodes the bytes of ``encode_lengths``. Counts that are all 0 become None.

    Args:
        body: The bytes.
        n: Number of documents.

    Raises:
        ValueError: The bytes are damaged, of another version, or of another number of documents.

    >>> lengths, counts = decode_lengths(bytes([1, 4, 0, 0xC9, 1]), 3)
    >>> lengths.tolist(), counts
    ([3, -1, 200], None)
    """
    if not body or body[0] != _VERSION:
        raise ValueError(f"these are not lengths of documents of version {_VERSION}: they begin with {body[:1]!r}")
    numbers = _numbers(np.frombuffer(body, np.uint8, offset=1))
    if len(numbers) not in (n, (1 + len(COUNTED)) * n):
        expected = f"{n} or {(1 + len(COUNTED)) * n}"
        raise ValueError(f"{n} documents have {expected} numbers, but these bytes hold {len(numbers)}")
    return numbers[:n] - 1, numbers[n:].reshape(n, -1) if len(numbers) > n else None


def _varints(numbers: Int64Array) -> bytes:
    """Encodes numbers in groups of seven bits, the lowest first. The eighth bit says that another byte follows."""
    # sizes: int64[n], bytes of each number
    sizes = np.ones(len(numbers), np.int64)
    for size in range(1, _LONGEST):
        sizes += numbers >= 1 << _BITS * size
    offsets = offsets_of(sizes)
    body = np.empty(offsets[-1], np.uint8)
    for place in range(int(sizes.max(initial=0))):
        (some,) = np.nonzero(sizes > place)
        bits = numbers[some] >> _BITS * place & _CONTINUED - 1
        body[offsets[some] + place] = bits | np.where(sizes[some] > place + 1, _CONTINUED, 0)
    return body.tobytes()


def _numbers(body: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Int64Array:
    """Decodes the bytes of ``_varints``."""
    # ends: int64[n], the place after the last byte of each number
    ends = np.flatnonzero(body < _CONTINUED) + 1
    if len(body) != ends.max(initial=0):
        raise ValueError("the lengths of documents end in the middle of a number")
    starts = np.concatenate([np.zeros(1, np.int64), ends])[:-1]
    sizes = ends - starts
    if sizes.max(initial=0) > _LONGEST:
        raise ValueError(f"a length takes {sizes.max()} bytes, but none has more than {_LONGEST}")
    numbers = np.zeros(len(sizes), np.int64)
    for place in range(int(sizes.max(initial=0))):
        (some,) = np.nonzero(sizes > place)
        numbers[some] |= (body[starts[some] + place].astype(np.int64) & _CONTINUED - 1) << _BITS * place
    return numbers
