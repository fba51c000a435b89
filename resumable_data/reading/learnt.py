"""Which tokens are learnt, as a field beside them says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from resumable_data.arrays import AnyArray, BoolArray
from resumable_data.errors import PipelineError
from resumable_data.reading.fields import LOSS_MASK, FieldDtypes

NOT_LEARNT = -100
"""The label of Hugging Face for a token that is not learnt."""

_WELL_KNOWN = ("assistant_masks", "attention_mask", "completion_mask", "labels", "special_tokens_mask")


@dataclass(frozen=True)
class Learnt:
    """The field that says which tokens are learnt.

    Attributes:
        field: The field, aligned with the tokens.
        but: Its value for a token that is not learnt.
    """

    field: str
    but: int

    def mask(self, values: AnyArray) -> BoolArray:
        """Tells which tokens are learnt, from the values of the field, of any shape.

        >>> import numpy as np
        >>> Learnt("labels", NOT_LEARNT).mask(np.array([-100, 5, 0])).tolist()
        [False, True, True]
        """
        return values != self.but


def learnt_from(stage: str, dtypes: FieldDtypes, loss_mask: str | None, labels: str | None) -> Learnt | None:
    """Returns the field that says which tokens are learnt; None if all are.

    Args:
        stage: The name of the stage in errors.
        dtypes: The fields that rows take.
        loss_mask: The field that is 0 for a token that is not learnt.
        labels: The field that is -100 for such a token.

    Raises:
        PipelineError: Both are given.
    """
    if loss_mask is not None and labels is not None:
        raise PipelineError(f"{stage}: give one of loss_mask={loss_mask!r} and labels={labels!r}")
    if labels is not None:
        return Learnt(labels, NOT_LEARNT)
    names = dict(dtypes)
    if loss_mask is not None or LOSS_MASK in names:
        return Learnt(LOSS_MASK if loss_mask is None else loss_mask, 0)
    for name in _WELL_KNOWN:
        if name in names:
            argument = "labels" if name == "labels" else "loss_mask"
            warnings.warn(
                f"{stage}: every token is learnt, though there is a field {name!r}. If that says which are, pass "
                f"{argument}={name!r}",
                stacklevel=4,
            )
    return None


def with_field(dtypes: FieldDtypes, name: str) -> FieldDtypes:
    """Adds a field as int32 if it is not among the fields.

    >>> with_field((("weight", "float32"),), "loss_mask")
    (('loss_mask', 'int32'), ('weight', 'float32'))
    """
    return dtypes if name in dict(dtypes) else tuple(sorted((*dtypes, (name, "int32"))))
