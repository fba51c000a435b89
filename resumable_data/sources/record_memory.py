"""Estimates the memory of a record."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from resumable_data.opaque import Record

_FEW = 16


def memory_of(record: object) -> int:
    """Estimates the bytes of memory of a record, for bounds: exact for arrays, bytes and ASCII texts.

    The first elements of a long list stand for all.

    >>> import numpy as np
    >>> memory_of(b"x" * 1000) // 100, memory_of({"image": np.zeros(50_000, np.int64)}) // 10_000
    (10, 40)
    """
    size = sys.getsizeof(record)
    if isinstance(record, str | bytes | bytearray | int | float) or record is None:
        return size
    if isinstance(record, Mapping):
        return size + sum(map(memory_of, cast(Mapping[Any, Any], record).values()))
    # A view does not count the memory of its base array.
    held: Any = getattr(record, "nbytes", None)
    if held is None and isinstance(record, Sequence):
        elements = cast(Sequence[Record], record)
        few = elements[:_FEW]
        return size + sum(map(memory_of, few)) * len(elements) // max(len(few), 1)
    return max(size, held or 0)
