"""The ids that tokens can have: not negative and, if the size of the vocabulary is known, below it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from resumable_data.arrays import Ragged, offsets_of, ranges
from resumable_data.errors import PipelineError, RecordError
from resumable_data.reading.documents import NameOf

_MOST = 2**31
_LARGE = 2**20  # more than any vocabulary has


@dataclass(frozen=True)
class TokenIds:
    """The ids that tokens can have.

    Attributes:
        size: The number of ids, from 0 on; None if only negative ids are known to be wrong.
        whose: What told the size.
    """

    size: int | None = None
    whose: str = ""

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= _MOST:
            raise PipelineError(f"vocab_size={self.size} must be from 1 to 2^31, the number of the model's tokens")

    def check(self, tokens: Ragged, name: NameOf) -> None:
        """Checks every token.

        Raises:
            RecordError: An id is not possible; the error calls its document ``name(place)``.

        >>> TokenIds(100).check(Ragged.from_records([[7, 99], [5, 100]]), "document {}".format)
        Traceback (most recent call last):
          ...
        resumable_data.errors.RecordError: document 1 holds the id 100 at place 1: ids are 0 to 99 (vocab_size=100)
        """
        most = _MOST if self.size is None else self.size
        values = tokens.values.view(np.uint32)  # negative ids are the largest so
        if not len(values) or int(np.max(values)) < (_LARGE if self.size is None else self.size):
            return
        own = values[ranges(tokens.starts, tokens.lengths)]  # without cells that belong to no document
        wrong = np.flatnonzero(own >= most)
        if not wrong.size:
            if self.size is None and int(np.max(own, initial=0)) >= _LARGE:
                _warn_of_large_ids()
            return
        first = offsets_of(tokens.lengths)
        document = int(np.searchsorted(first, wrong[:1], side="right")[0]) - 1
        place = int(wrong[0] - first[document])
        found = int(tokens[document][place])
        if found < 0:
            known = "ids are not negative. To leave tokens out of the loss, give documents a field 'loss_mask'"
        else:
            known = f"ids are 0 to {most - 1} ({self.whose or f'vocab_size={self.size}'})"
        raise RecordError(f"{name(document)} holds the id {found} at place {place}: {known}")


def _warn_of_large_ids() -> None:
    # Python shows the same text only once.
    warnings.warn(
        f"documents have ids of {_LARGE} and more, and no known vocabulary has so many tokens. If these are "
        "tokens of another size, pass the parse= they were written for, as parse_uint16_tokens. To have ids checked, "
        "or if there are so many, say how many: vocab_size=… of pack or pad",
        stacklevel=2,
    )


ANY_TOKEN = TokenIds()
"""What is known without a vocabulary: no id is negative."""
