"""The filter stage on lengths: documents left out by how many tokens they have, without reading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array, Ragged
from resumable_data.errors import PipelineError
from resumable_data.reading.cut import made_of
from resumable_data.reading.dropped import DROPPED, as_ragged, left_out
from resumable_data.stages.documents import ChainStage
from resumable_data.state import Settings


@dataclass(frozen=True)
class FilterLengths(ChainStage):
    """Keeps the documents of whose lengths a pure function says so.

    Attributes:
        predicate: From int64[n] lengths to bool[n], each by its own length alone.
        function_name: How it counts in the fingerprint.
    """

    predicate: Callable[[Int64Array], BoolArray]
    function_name: str

    @property
    def name(self) -> str:
        """The stage's name."""
        return "filter"

    def settings(self) -> Settings:
        """The predicate's name."""
        return {"on_lengths": self.function_name}

    @property
    def drops(self) -> bool:
        """True."""
        return True

    def lengths(self, records: Int64Array) -> Int64Array:
        """Those of the documents that stay, and -1."""
        lengths = self.parent.lengths(records)
        return np.where(self._dropped(lengths), -1, lengths)

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents, and ``DROPPED`` for those that are left out."""
        documents = self.parent.read(records)
        dropped = self._dropped_of(as_ragged(documents, lambda place: self.name_of(int(records[place]))))
        marked = zip(documents, dropped.tolist(), strict=True)
        return made_of(documents, [DROPPED if drop else document for document, drop in marked])

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same, as tokens."""
        documents = self.parent.read_tokens(records)
        return left_out(documents, self._dropped_of(documents))

    def _dropped_of(self, documents: Ragged) -> BoolArray:
        lengths = documents.lengths
        return self._dropped(lengths if documents.dropped is None else np.where(documents.dropped, -1, lengths))

    def _dropped(self, lengths: Int64Array) -> BoolArray:
        """Which documents are left out, bool[n]; those of length -1 are already."""
        present = lengths >= 0
        dropped = ~present
        dropped[present] = ~self._kept(lengths[present])
        return dropped

    def _kept(self, lengths: Int64Array) -> BoolArray:
        try:
            kept = self.predicate(lengths)
        except Exception as error:
            raise PipelineError(
                f"filter: on_lengths={self.function_name} fails on {len(lengths)} lengths: {error!r}"
            ) from error
        is_array = isinstance(cast(object, kept), np.ndarray)
        found = f"{kept.dtype}{list(kept.shape)}" if is_array else repr(kept)
        if found != f"bool[{len(lengths)}]":
            raise PipelineError(
                f"filter: on_lengths={self.function_name} gives {found} for int64[{len(lengths)}]; it returns "
                f"bool[{len(lengths)}], True for each document to keep"
            )
        return kept
