"""The map stage: a function applied to every document when it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from resumable_data.arrays import Int64Array
from resumable_data.errors import RecordError
from resumable_data.reading.cut import made_of
from resumable_data.reading.dropped import DROPPED
from resumable_data.stages.documents import ChainStage
from resumable_data.state import Settings


@dataclass(frozen=True)
class Map(ChainStage):
    """A pure function of one document.

    Attributes:
        function: From a document to a document; it must not change its argument.
        function_name: How it counts in the fingerprint.
        preserves_length: Whether it promises to keep the number of tokens, which is checked at every read.
    """

    function: Callable[..., Any]
    function_name: str
    preserves_length: bool

    @property
    def name(self) -> str:
        """The stage's name."""
        return "map"

    def settings(self) -> Settings:
        """The function's name."""
        return {"function": self.function_name}

    @property
    def lengths_known(self) -> bool:
        """Whether they were known and are promised to stay."""
        return self.preserves_length and self.parent.lengths_known

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The mapped documents.

        Raises:
            RecordError: The function fails, or breaks its promise to preserve lengths.
        """
        documents = self.parent.read(records)
        numbered = zip(documents, records.tolist(), strict=True)
        return made_of(documents, [self._apply(document, record) for document, record in numbered])

    def _apply(self, document: Any, record: int, *more: Any) -> Any:
        if document is DROPPED:
            return DROPPED
        try:
            mapped = self.function(document, *more)
        except Exception as error:
            where = f"{self.function_name} fails on {self.name_of(record)}"
            raise RecordError(f"{self.name}: {where}: {error!r}") from error
        if self.preserves_length and len(mapped) != len(document):
            raise RecordError(
                f"{self.name}: {self.function_name} makes {len(mapped)} tokens of the {len(document)} of "
                f"{self.name_of(record)}, but is declared with preserves_length=True"
            )
        return mapped
