"""The filter stage on lengths: drops documents by their token count, without reading them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from typing_extensions import override

from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.errors import PipelineError
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.step import Step
from resumable_data.state import Settings


@dataclass(frozen=True)
class FilterLengths(Step):
    """Keeps a document if a pure function of its length says so.

    Attributes:
        predicate: From int64[n] lengths to bool[n]. Each value depends on its own length alone.
        function_name: How it counts in the fingerprint.
        tokens: The key of the tokens, where documents are mappings.
    """

    predicate: Callable[[Int64Array], BoolArray]
    function_name: str
    tokens: str | None = None

    @property
    @override
    def name(self) -> str:
        return "filter"

    @override
    def settings(self) -> Settings:
        """Returns the predicate's name, and the key of the tokens."""
        return {"on_lengths": self.function_name, "tokens": self.tokens}

    @property
    @override
    def drops(self) -> bool:
        return True

    @override
    def takes_tokens(self, fields: TokenFields | None) -> bool:
        return self.tokens == (None if fields is None else fields.tokens)

    @override
    def lengths(self, lengths: Int64Array) -> Int64Array:
        """Returns the lengths of the documents that stay, and -1 for those dropped."""
        return np.where(self._dropped(lengths), -1, lengths)

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the documents that are kept.

        Raises:
            RecordError: A document is not an array of tokens.
            PipelineError: The predicate fails, or does not return bools.
        """
        fields = None if self.tokens is None else TokenFields(self.tokens, ())
        lengths = documents.as_tokens(fields, name).tokens.lengths
        return documents.keep(~self._dropped(np.where(documents.kept, lengths, -1)))

    def _dropped(self, lengths: Int64Array) -> BoolArray:
        """Returns bool[n], which documents are dropped; those of length -1 already are."""
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
