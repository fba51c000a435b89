"""What reads the documents of a component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from resumable_data.arrays import Int64Array, Ragged


class Sizes(NamedTuple):
    """How long documents are, for plans.

    Attributes:
        lengths: int64[n], the tokens of each; -1 for one that is dropped.
        cut: int64[n], tokens that were cut off each before; None where nothing cuts any.
    """

    lengths: Int64Array
    cut: Int64Array | None = None


class DocumentReader(Protocol):
    """The reading side of a component: its source with everything that is done to a document."""

    def read(self, records: Int64Array) -> Sequence[Any]:
        """Documents at int64[n] records of the source."""
        ...

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same as tokens."""
        ...

    def measure(self, records: Int64Array) -> Sizes:
        """How long the documents of int64[n] records are."""
        ...

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        ...
