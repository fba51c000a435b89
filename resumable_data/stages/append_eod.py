"""The append_eod stage: an end-of-document token after every document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

from resumable_data.arrays import AnyArray, Int64Array, Ragged, offsets_of, ranges
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.step import Step
from resumable_data.stages.stage import check_token
from resumable_data.state import Settings


@dataclass(frozen=True)
class AppendEod(Step):
    """Appends a token to every document. The length of the document counts it.

    Attributes:
        eod_id: The token.
    """

    eod_id: int

    def __post_init__(self) -> None:
        check_token(self.name, "eod_id", self.eod_id)

    @property
    @override
    def name(self) -> str:
        return "append_eod"

    @property
    def appended(self) -> int | None:
        """The token."""
        return self.eod_id

    @override
    def settings(self) -> Settings:
        return {"eod_id": self.eod_id}

    @override
    def takes_tokens(self, fields: TokenFields | None) -> bool:
        return fields is None

    @override
    def lengths(self, lengths: Int64Array) -> Int64Array:
        """Returns lengths plus one, except for dropped documents."""
        return lengths + (lengths >= 0)

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the documents with the token after each.

        Raises:
            RecordError: A document is not an array of tokens.
        """
        return closed(documents.as_tokens(None, name), self.eod_id, {})


def closed(documents: Documents, eod_id: int, values: Mapping[str, float]) -> Documents:
    """Appends a token to each document that is not dropped, and to each field its value."""
    tokens, kept = with_room(documents.tokens), documents.kept
    ends = (tokens.starts + tokens.lengths)[kept]
    tokens.values[ends] = eod_id
    for name, cells in (tokens.fields or {}).items():
        cells[ends] = values[name]
    return replace(documents, content=replace(tokens, lengths=tokens.lengths + kept, spare=tokens.spare - 1))


def with_room(documents: Ragged) -> Ragged:
    """Returns the same documents with a free cell after each. Copies them only if there is none."""
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
