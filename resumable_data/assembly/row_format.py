"""How planned rows become arrays."""

from __future__ import annotations

from dataclasses import dataclass

from resumable_data.reading.fields import FieldDtypes
from resumable_data.reading.learnt import Learnt


@dataclass(frozen=True)
class RowFormat:
    """How planned rows become arrays.

    Attributes:
        length: Tokens a row.
        eod_id: The end-of-document token, which is the first input of a document.
        pad_id: The token of padding.
        shift: The side that is shifted: ``"inputs"``, ``"targets"`` or ``"none"``.
        fields: Fields beside the tokens, each with its dtype.
        learnt: What says which tokens are learnt, one of the fields; None if all are.
    """

    length: int
    eod_id: int
    pad_id: int
    shift: str = "inputs"
    fields: FieldDtypes = ()
    learnt: Learnt | None = None
