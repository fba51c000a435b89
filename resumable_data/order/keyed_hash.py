"""Keys and hashes, from which every order is derived: integers only, the same on every machine."""

from __future__ import annotations

import hashlib

import numpy as np

from resumable_data.arrays import UInt64Array


def derive_key(purpose: str, *parts: int | str, words: int = 1) -> tuple[int, ...]:
    """Derives independent 64-bit key words from what identifies an order.

    SHAKE-256 over an unambiguous encoding: two different argument lists never share an input, so that
    ``seed + 1, epoch`` and ``seed, epoch + 1`` have nothing in common.

    Args:
        purpose: What the key is for, such as ``"shuffle"``; separates the uses of one seed.
        parts: Integers of any size and strings.
        words: How many key words to return.

    Returns:
        ``words`` integers in [0, 2**64).

    >>> derive_key("shuffle", 7, "web", 1) == derive_key("shuffle", 8, "web", 0)
    False
    """
    encoded = b"".join(_encode(part) for part in (purpose, *parts))
    digest = hashlib.shake_256(encoded).digest(8 * words)
    return tuple(int.from_bytes(digest[at : at + 8], "little") for at in range(0, len(digest), 8))


def mix64(values: UInt64Array) -> UInt64Array:
    """Maps 64-bit words one to one, so that every output bit depends on every input bit.

    The finalizer of SplitMix64 (Steele, Lea and Flood, 2014) with Stafford's constants.

    Args:
        values: uint64[...].

    Returns:
        uint64[...] of the same shape.

    >>> mix64(np.array([0, 1], np.uint64)).tolist()
    [0, 6238072747940578789]
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _encode(part: int | str) -> bytes:
    kind, body = (b"s", part.encode()) if isinstance(part, str) else (b"i", b"%d" % part)
    return b"%s%d:%s" % (kind, len(body), body)
