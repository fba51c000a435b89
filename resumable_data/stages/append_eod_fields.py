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
from resumable_data.reading.fields import TokenFields, as_array, as_field, value_of
from resumable_data.stages.append_eod import AppendEod, closed
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

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The same, as tokens with the fields aligned.

        Raises:
            RecordError: A document has not these keys, what it has there is no array, or a field is not aligned.
        """
        values = self._values(fields)
        if values is None:
            return super().read_fields(records, fields)
        documents = self.parent.read_fields(records, fields)
        if len(self.fields) > len(values):
            # What is appended to, but not taken, has to be there all the same.
            self.read(records if documents.dropped is None else records[~documents.dropped])
        return closed(documents, self.eod_id, values)

    def _values(self, fields: TokenFields) -> dict[str, Any] | None:
        """What is appended to each field that is taken; None where a document has to be closed by itself to be read.

        A field that nothing is appended to is aligned behind this stage or not at all, and a value that its dtype
        does not hold is an error about a document.
        """
        own = dict(self.fields)
        if fields.tokens != self.tokens or not own.keys() >= dict(fields.dtypes).keys():
            return None
        try:
            return {key: as_field([own[key]], np.dtype(dtype), 1, key)[0] for key, dtype in fields.dtypes}
        except RecordError:
            return None

    def _closed(self, document: Any, record: int) -> dict[str, Any]:
        name = self.name_of(record)
        tokens = as_tokens(value_of(document, self.tokens, name), 0, lambda _: name)
        found = {**document, self.tokens: np.append(tokens, np.int32(self.eod_id))}
        for key, value in self.fields:
            found[key] = _appended(value_of(document, key, name), value, f"{name}: field {key!r}")
        return found


def _appended(given: Any, value: float, name: str) -> AnyArray:
    array = as_array(given, name)
    if array.ndim != 1:
        raise RecordError(f"{name} has the shape {array.shape}; it needs one value for each token")
    # An empty list has the dtype of floats, which the value need not have.
    return np.append(array, value) if array.size else np.array([value])
