"""The integers of many logical shards as one short text, which a state holds instead of lists."""

from __future__ import annotations

import base64
from collections.abc import Sequence

Integers = tuple[int, ...]


def to_text(shards: Sequence[Integers | None]) -> str:
    """Writes the integers of each shard as differences to those of the first that is there.

    Shards of one component stay close to each other, so that differences stay small however long a run is. Each
    difference is a variable-length integer (zigzag, then seven bits a byte, the lowest first), a shard is base64
    without its padding, and a shard that is not there is empty.

    Args:
        shards: For each shard equally many integers, or None.

    >>> to_text([(0, 15616, 2), None, (0, 15809, 2)])
    'AID0AQQ..AIIDAA'
    """
    parts: list[str] = []
    first: Integers | None = None
    for shard in shards:
        if shard is None:
            parts.append("")
            continue
        origin = first or (0,) * len(shard)
        first = first or shard
        body = bytearray()
        for value, start in zip(shard, origin, strict=True):
            body += _varint(value - start)
        parts.append(base64.urlsafe_b64encode(body).decode().rstrip("="))
    return ".".join(parts)


def from_text(text: str) -> tuple[Integers | None, ...]:
    """Reads what ``to_text`` wrote.

    Raises:
        ValueError: It wrote no such text.

    >>> from_text("AID0AQQ..AIIDAA")
    ((0, 15616, 2), None, (0, 15809, 2))
    """
    shards: list[Integers | None] = []
    first: Integers | None = None
    for part in text.split("."):
        if not part:
            shards.append(None)
            continue
        differences = _varints(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
        shard = tuple(a + b for a, b in zip(differences, first or (0,) * len(differences), strict=True))
        first = first or shard
        shards.append(shard)
    return tuple(shards)


def _varint(value: int) -> bytes:
    rest = 2 * value if value >= 0 else -2 * value - 1
    body = bytearray()
    while rest >= 0x80:
        body.append(rest & 0x7F | 0x80)
        rest >>= 7
    body.append(rest)
    return bytes(body)


def _varints(body: bytes) -> list[int]:
    values: list[int] = []
    value = shift = 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value // 2 if value % 2 == 0 else -(value + 1) // 2)
            value = shift = 0
    if shift:
        raise ValueError("a shard's integers break off")
    return values
