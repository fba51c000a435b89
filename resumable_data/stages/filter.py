"""The filter stage: drops documents by their content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError, RecordError
from resumable_data.opaque import Document
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.step import Step
from resumable_data.state import Settings
from resumable_data.timing import Work


@dataclass(frozen=True)
class Filter(Step):
    """Keeps a document if a pure function of it says so.

    Attributes:
        predicate: From a document to a bool; it must not change its argument.
        function_name: How it counts in the fingerprint.
    """

    predicate: Callable[[Document], bool]
    function_name: str

    @property
    @override
    def name(self) -> str:
        return "filter"

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
        """False: only reading shows which documents are dropped."""
        return False

    @property
    @override
    def drops(self) -> bool:
        return True

    @override
    def keeps_fields(self, fields: TokenFields | None) -> bool:
        return True

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the documents that are kept.

        Raises:
            RecordError: The predicate fails.
            PipelineError: The predicate does not return a bool.
        """
        numbered = enumerate(zip(documents, documents.kept.tolist(), strict=True))
        kept = (kept and self._keeps(document, place, name) for place, (document, kept) in numbered)
        return documents.keep(np.fromiter(kept, np.bool_, len(documents)))

    def _keeps(self, document: Document, place: int, name: NameOf) -> bool:
        try:
            keep: Any = self.predicate(document)
        except Exception as error:
            raise RecordError(f"filter: {self.function_name} fails on {name(place)}: {error!r}") from error
        # Filters of Grain may return 0 or 1.
        if not np.isscalar(keep) or keep not in (False, True):
            raise PipelineError(
                f"filter: {self.function_name} gives {keep!r} for {name(place)}; a predicate returns True "
                "to keep a document, or False"
            )
        return bool(keep)
