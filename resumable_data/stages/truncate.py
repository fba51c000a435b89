"""The step before rows that truncates documents longer than a row."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import override

from resumable_data.arguments import as_bool
from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.step import Step

LEFT, RIGHT = "left", "right"


@dataclass(frozen=True)
class Truncate(Step):
    """Truncates documents and their fields.

    Attributes:
        length: At most so many tokens a document.
        side: Where a longer document is cut: ``"left"`` drops its first tokens, ``"right"`` its last.
    """

    length: int
    side: str

    @property
    @override
    def name(self) -> str:
        return "truncate"

    @override
    def settings(self) -> dict[str, int | str]:
        return {"length": self.length, "side": self.side}

    @property
    @override
    def truncates(self) -> bool:
        return True

    @override
    def takes_tokens(self, fields: TokenFields | None) -> bool:
        return True

    @override
    def keeps_fields(self, fields: TokenFields | None) -> bool:
        return True

    @override
    def lengths(self, lengths: Int64Array) -> Int64Array:
        return np.minimum(lengths, self.length)

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        tokens = documents.tokens
        cut = np.maximum(tokens.lengths - self.length, 0)
        if not cut.any():
            return documents
        starts = tokens.starts + cut if self.side == LEFT else tokens.starts
        # The cut tokens still follow the document in the array, so there is no room for another token.
        shorter = replace(tokens, starts=starts, lengths=tokens.lengths - cut, spare=0)
        return replace(documents.truncate(cut), content=shorter)


def as_side(what: str, value: object) -> str | None:
    """Checks a setting that says where documents are cut.

    Args:
        what: What an error calls the setting.
        value: ``"left"``, ``"right"``, True for ``"right"``, or False.

    Returns:
        The side, or None if documents are not cut.

    Raises:
        PipelineError: The value is none of these.

    >>> as_side("pack: truncate", True), as_side("pack: truncate", False), as_side("pack: truncate", "left")
    ('right', None, 'left')
    """
    if isinstance(value, str):
        if value in (LEFT, RIGHT):
            return value
        raise PipelineError(f"{what}={value!r} must be 'left', 'right', True (the same as 'right') or False")
    return RIGHT if as_bool(what, value) else None
