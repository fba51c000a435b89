"""What reads the documents of a component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from resumable_data.arrays import Int64Array, Ragged


class DocumentReader(Protocol):
    """The reading side of a component: its source with everything that is done to a document."""

    def read(self, records: Int64Array) -> Sequence[Any]:
        """Documents at int64[n] records of the source."""
        ...

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same as tokens."""
        ...

    def lengths(self, records: Int64Array) -> Int64Array:
        """Tokens of the documents of int64[n] records; -1 for one that is dropped."""
        ...

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        ...
