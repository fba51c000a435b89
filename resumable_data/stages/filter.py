"""The filter stage: documents left out by what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array, Ragged
from resumable_data.errors import PipelineError, RecordError
from resumable_data.reading.cut import made_of
from resumable_data.reading.dropped import DROPPED, as_ragged, left_out, spread
from resumable_data.reading.fields import TokenFields
from resumable_data.stages.documents import ChainStage
from resumable_data.state import Settings


@dataclass(frozen=True)
class Filter(ChainStage):
    """Keeps the documents of which a pure function says so.

    Attributes:
        predicate: From a document to a bool; it must not change its argument.
        function_name: How it counts in the fingerprint.
    """

    predicate: Callable[[Any], bool]
    function_name: str

    @property
    def name(self) -> str:
        """The stage's name."""
        return "filter"

    def settings(self) -> Settings:
        """The predicate's name."""
        return {"function": self.function_name}

    @property
    def lengths_known(self) -> bool:
        """False: what is left out shows only when it is read."""
        return False

    @property
    def drops(self) -> bool:
        """True."""
        return True

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents, and ``DROPPED`` for those that are left out.

        Raises:
            RecordError: The predicate fails.
            PipelineError: It gives no bool.
        """
        documents = self.parent.read(records)
        return _marked(documents, self._kept(documents, records))

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same, as tokens."""
        documents = self.parent.read(records)
        kept = self._kept(documents, records)
        if isinstance(documents, Ragged):
            return left_out(documents, ~kept)
        return as_ragged(_marked(documents, kept), lambda place: self.name_of(int(records[place])))

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The same, as tokens with the fields aligned."""
        documents = self.parent.read(records)
        kept = self._kept(documents, records)
        try:
            return fields.aligned(_marked(documents, kept), lambda place: self.name_of(int(records[place])))
        except RecordError:
            # A stage below may leave out the one that is bad. It is not told of those that are not kept anyway.
            return spread(self.parent.read_fields(records[kept], fields), kept)

    def _kept(self, documents: Sequence[Any], records: Int64Array) -> BoolArray:
        numbered = zip(documents, records.tolist(), strict=True)
        return np.fromiter((self._keeps(document, record) for document, record in numbered), np.bool_, len(records))

    def _keeps(self, document: Any, record: int) -> bool:
        if document is DROPPED:
            return False
        try:
            keep: Any = self.predicate(document)
        except Exception as error:
            raise RecordError(f"filter: {self.function_name} fails on {self.name_of(record)}: {error!r}") from error
        if type(keep) not in (bool, np.bool_):
            raise PipelineError(
                f"filter: {self.function_name} gives {keep!r} for {self.name_of(record)}; a predicate returns True "
                "to keep a document, or False"
            )
        return bool(keep)


def _marked(documents: Sequence[Any], kept: BoolArray) -> Sequence[Any]:
    """The documents, and ``DROPPED`` for those that are not kept."""
    marked = zip(documents, kept.tolist(), strict=True)
    return made_of(documents, [document if keep else DROPPED for document, keep in marked])
