"""Reading documents that are mappings: their tokens, and the fields aligned with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.reader import DocumentReader, Sizes


class MappingReader(DocumentReader, Protocol):
    """What reads documents that are mappings."""

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """Tokens and fields of the documents at int64[n] records."""
        ...


class FieldReader:
    """The reading side of a component whose documents are mappings.

    Args:
        documents: What reads them.
        fields: What to take of them.
    """

    def __init__(self, documents: MappingReader, fields: TokenFields) -> None:
        self._documents = documents
        self._fields = fields

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents themselves."""
        return self._documents.read(records)

    def read_tokens(self, records: Int64Array) -> Ragged:
        """Their tokens and fields.

        Raises:
            RecordError: A document has not what is to be taken, or a field is not aligned.
        """
        return self._documents.read_fields(records, self._fields)

    def measure(self, records: Int64Array) -> Sizes:
        """How long the documents are, where that is known without reading."""
        return self._documents.measure(records)

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        return self._documents.name_of(record)
