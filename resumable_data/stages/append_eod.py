"""The append_eod stage: an end-of-document token behind every document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from resumable_data.arrays import AnyArray, Int64Array, Ragged, offsets_of, ranges
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
        return closed(self.parent.read_tokens(records), self.eod_id, {})


def closed(documents: Ragged, eod_id: int, values: Mapping[str, Any]) -> Ragged:
    """The documents with a token behind each that is not left out, and for each field the value that goes with it."""
    documents = with_room(documents)
    ends = documents.starts + documents.lengths
    if documents.dropped is not None:
        ends = ends[~documents.dropped]
    documents.values[ends] = eod_id
    for name, cells in (documents.fields or {}).items():
        cells[ends] = values[name]
    added = 1 if documents.dropped is None else ~documents.dropped
    return replace(documents, lengths=documents.lengths + added, spare=documents.spare - 1)


def with_room(documents: Ragged) -> Ragged:
    """The same documents with at least one free cell behind each, copied only if there is none."""
    fields = documents.fields or {}
    if documents.spare and all(array.flags.writeable for array in (documents.values, *fields.values())):
        return documents
    cells = documents.lengths + 1
    starts = offsets_of(cells)[:-1]
    places, before = ranges(starts, documents.lengths), ranges(documents.starts, documents.lengths)

    def moved(values: AnyArray) -> AnyArray:
        room = np.zeros(int(cells.sum()), values.dtype)
        room[places] = values[before]
        return room

    moved_fields = None if documents.fields is None else {name: moved(values) for name, values in fields.items()}
    return replace(documents, values=moved(documents.values), starts=starts, spare=1, fields=moved_fields)
