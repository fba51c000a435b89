"""The append_eod stage where documents are mappings: a token behind the tokens, a value behind each field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resumable_data.arrays import AnyArray, Int64Array, Ragged, as_tokens
from resumable_data.errors import PipelineError, RecordError
from resumable_data.reading.cut import made_of
from resumable_data.reading.dropped import DROPPED, as_ragged
from resumable_data.reading.fields import value_of
from resumable_data.stages.append_eod import AppendEod
from resumable_data.state import Settings


@dataclass(frozen=True)
class AppendEodFields(AppendEod):
    """Closes the tokens of every document with a token, and each field with the value that belongs to it.

    Attributes:
        tokens: The key of the tokens.
        fields: By key the value of each field.
    """

    tokens: str
    fields: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens in dict(self.fields):
            raise PipelineError(f"append_eod: {self.tokens!r} are the tokens; leave them out of fields")

    def settings(self) -> Settings:
        """Everything."""
        return {"eod_id": self.eod_id, "tokens": self.tokens, "fields": dict(self.fields) or None}

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents, closed.

        Raises:
            RecordError: A document has not these keys, or what it has there is no array.
        """
        documents = self.parent.read(records)
        return made_of(
            documents,
            [
                document if document is DROPPED else self._closed(document, record)
                for document, record in zip(documents, records.tolist(), strict=True)
            ],
        )

    def read_tokens(self, records: Int64Array) -> Ragged:
        """Refused: mappings are no tokens, and the error says so."""
        return as_ragged(self.read(records), lambda place: self.name_of(int(records[place])))

    def _closed(self, document: Any, record: int) -> dict[str, Any]:
        name = self.name_of(record)
        tokens = as_tokens(value_of(document, self.tokens, name), 0, lambda _: name)
        closed = {**document, self.tokens: np.append(tokens, np.int32(self.eod_id))}
        for key, value in self.fields:
            closed[key] = _appended(value_of(document, key, name), value, f"{name}: field {key!r}")
        return closed


def _appended(given: Any, value: float, name: str) -> AnyArray:
    array: AnyArray = np.asarray(given)
    if array.ndim != 1:
        raise RecordError(f"{name} has the shape {array.shape}; it needs one value for each token")
    # An empty list has the dtype of floats, which the value need not have.
    return np.append(array, value) if array.size else np.array([value])
