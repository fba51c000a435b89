"""The map stage: applies a function to every document when it is read."""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from resumable_data.arguments import shown
from resumable_data.arrays import Int64Array
from resumable_data.errors import RecordError
from resumable_data.opaque import Document
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.step import Step
from resumable_data.state import Settings
from resumable_data.timing import Work


@dataclass(frozen=True)
class Map(Step):
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
    @override
    def name(self) -> str:
        return "map"

    @property
    @override
    def maker(self) -> str:
        return f"{self.name}: {self.function_name}"

    @property
    @override
    def work(self) -> Work:
        return Work.MAPPING

    @override
    def settings(self) -> Settings:
        return {"function": self.function_name}

    @property
    @override
    def lengths_stay_known(self) -> bool:
        return self.preserves_length

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the mapped documents.

        Raises:
            RecordError: The function fails, or breaks its promise to preserve lengths.
        """
        return documents.map(lambda document, place: self._mapped(document, lambda: name(place)))

    def _mapped(self, document: Document, name: Callable[[], str], *more: object) -> Document:
        try:
            mapped = self.function(document, *more)
        except Exception as error:
            raise RecordError(f"{self.name}: {self.function_name} fails on {name()}: {error!r}") from error
        if mapped is None:
            raise RecordError(
                f"{self.name}: {self.function_name} returns None for {name()}: return the document; to leave one "
                "out, use filter"
            )
        if self.preserves_length and not isinstance(mapped, Sized):
            raise RecordError(
                f"{self.name}: {self.function_name} makes {shown(mapped)} of {name()}, which has no length, but is "
                "declared with preserves_length=True"
            )
        if self.preserves_length and len(mapped) != len(document):
            raise RecordError(
                f"{self.name}: {self.function_name} makes {len(mapped)} tokens of the {len(document)} of "
                f"{name()}, but is declared with preserves_length=True"
            )
        return mapped
