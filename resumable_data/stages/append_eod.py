"""The append_eod stage: an end-of-document token behind every document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from resumable_data.arrays import Int64Array, Ragged, offsets_of, ranges
from resumable_data.reading.dropped import with_dropped
from resumable_data.stages.documents import ChainStage
from resumable_data.stages.stage import check_token
from resumable_data.state import Settings


@dataclass(frozen=True)
class AppendEod(ChainStage):
    """Closes every document with a token, which its length counts.

    Attributes:
        eod_id: The token.
    """

    eod_id: int

    def __post_init__(self) -> None:
        check_token(self.name, "eod_id", self.eod_id)

    @property
    def name(self) -> str:
        """The stage's name."""
        return "append_eod"

    def settings(self) -> Settings:
        """The token."""
        return {"eod_id": self.eod_id}

    def lengths(self, records: Int64Array) -> Int64Array:
        """One more than before, but of documents that are left out."""
        lengths = self.parent.lengths(records)
        return lengths + (lengths >= 0)

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents with the token behind each."""
        return with_dropped(self.read_tokens(records))

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same, as tokens."""
        documents = with_room(self.parent.read_tokens(records))
        documents.values[documents.starts + documents.lengths] = self.eod_id
        added = 1 if documents.dropped is None else ~documents.dropped
        return replace(documents, lengths=documents.lengths + added, spare=documents.spare - 1)


def with_room(documents: Ragged) -> Ragged:
    """The same documents with at least one free cell behind each, copied only if there is none."""
    if documents.spare and documents.values.flags.writeable:
        return documents
    cells = documents.lengths + 1
    starts = offsets_of(cells)[:-1]
    values = np.zeros(int(cells.sum()), np.int32)
    values[ranges(starts, documents.lengths)] = documents.values[ranges(documents.starts, documents.lengths)]
    return Ragged(values, starts, documents.lengths, spare=1, dropped=documents.dropped, cut=documents.cut)
