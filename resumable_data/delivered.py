"""What a component has delivered, as a state and its edits keep it."""

from __future__ import annotations

from collections.abc import Sequence
from operator import add, sub
from typing import NamedTuple, cast

from resumable_data.state_form import is_natural

COUNTED = ("truncated", "scored")
"""What is counted of each document, and delivered with its first token: names that ``Documents`` and others have."""


class Delivered(NamedTuple):
    """What a component has delivered up to a position.

    Attributes:
        rows: Rows; 0 for a component of a mix of documents, which share their rows.
        documents: Documents that began in the rows delivered.
        tokens: Tokens in them, padding excluded.
        truncated: Tokens that were cut off these documents.
        scored: Tokens of them that a loss mask lets count, where they are read before they are packed; else 0.
        dropped: Documents that were left out.
    """

    rows: int = 0
    documents: int = 0
    tokens: int = 0
    truncated: int = 0
    scored: int = 0
    dropped: int = 0

    def plus(self, other: Delivered) -> Delivered:
        """Adds both."""
        return Delivered(*map(add, self, other))

    def minus(self, other: Delivered) -> Delivered:
        """Subtracts the other."""
        return Delivered(*map(sub, self, other))

    def to_json(self) -> list[int]:
        """Returns rows, documents and tokens; then the other three if they are not all 0.

        >>> Delivered(rows=20, documents=20, tokens=160).to_json()
        [20, 20, 160]
        """
        return list(self if any(self[3:]) else self[:3])

    @classmethod
    def from_json(cls, given: object) -> Delivered:
        """Reads what ``to_json`` gave.

        Raises:
            ValueError: It is not a list of three or six natural numbers.

        >>> Delivered.from_json([20, 20, 160])
        Delivered(rows=20, documents=20, tokens=160, truncated=0, scored=0, dropped=0)
        """
        values = list(cast(Sequence[object], given)) if isinstance(given, list | tuple) else []
        counts = [value for value in values if is_natural(value)]
        if len(values) not in (3, 6) or len(counts) != len(values):
            raise ValueError(f"{given!r} is not a list of three or six natural numbers")
        return cls(*counts)
