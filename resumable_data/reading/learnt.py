"""Which tokens are learnt: what a field beside them says of that."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from resumable_data.arrays import AnyArray, BoolArray
from resumable_data.errors import PipelineError
from resumable_data.reading.fields import LOSS_MASK, FieldDtypes

NOT_LEARNT = -100
"""What labels of Hugging Face hold where a token is not learnt."""

_WELL_KNOWN = ("assistant_masks", "attention_mask", "completion_mask", "labels", "special_tokens_mask")


@dataclass(frozen=True)
class Learnt:
    """What says which tokens are learnt.

    Attributes:
        field: The field, aligned with the tokens.
        but: Its value where a token is not.
    """

    field: str
    but: int

    def mask(self, values: AnyArray) -> BoolArray:
        """Which tokens are learnt, by the values of the field, of any shape.

        >>> import numpy as np
        >>> Learnt("labels", NOT_LEARNT).mask(np.array([-100, 5, 0])).tolist()
        [False, True, True]
        """
        return values != self.but


def learnt_from(stage: str, dtypes: FieldDtypes, loss_mask: str | None, labels: str | None) -> Learnt | None:
    """What says which tokens are learnt; None where all are.

    Args:
        stage: What an error calls the stage.
        dtypes: The fields that rows take.
        loss_mask: The field that is 0 where a token is not learnt.
        labels: The field that is -100 there.

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
    """The fields with one of a name among them, which is int32 if it is added.

    >>> with_field((("weight", "float32"),), "loss_mask")
    (('loss_mask', 'int32'), ('weight', 'float32'))
    """
    return dtypes if name in dict(dtypes) else tuple(sorted((*dtypes, (name, "int32"))))
