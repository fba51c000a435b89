"""The step before rows that counts scored tokens, and may drop documents without one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.learnt import Learnt
from resumable_data.reading.step import Step


@dataclass(frozen=True)
class CountScored(Step):
    """Counts the tokens of each document that are learnt.

    Attributes:
        learnt: What says which tokens are learnt.
        first: Whether the first token of a document is a target.
        drop: Whether a document without a scored token is dropped.
    """

    learnt: Learnt
    first: bool
    drop: bool

    @property
    @override
    def name(self) -> str:
        return "drop_unscored" if self.drop else "count_scored"

    @override
    def settings(self) -> dict[str, int | str | bool]:
        return {"field": self.learnt.field, "but": self.learnt.but, "first": self.first}

    @property
    @override
    def lengths_stay_known(self) -> bool:
        return not self.drop

    @property
    @override
    def drops(self) -> bool:
        return self.drop

    @override
    def takes_tokens(self, fields: TokenFields | None) -> bool:
        return True

    @override
    def keeps_fields(self, fields: TokenFields | None) -> bool:
        return True

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        tokens = documents.tokens
        assert tokens.fields is not None
        before = offsets_of(self.learnt.mask(tokens.fields[self.learnt.field]).astype(np.int64))
        first = tokens.starts if self.first else tokens.starts + np.minimum(tokens.lengths, 1)
        scored = before[tokens.starts + tokens.lengths] - before[first]
        counted = replace(documents, scored=scored)
        return counted.keep(scored > 0) if self.drop else counted
