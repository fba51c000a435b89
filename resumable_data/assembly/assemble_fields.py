"""Writes fields beside the tokens into batch arrays, in one pass over the cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resumable_data.arrays import AnyArray, Int32Array, Int64Array
from resumable_data.assembly.row_format import RowFormat
from resumable_data.assembly.segments import Segments
from resumable_data.packing.plan import RowPlan


def assemble_fields(
    plan: RowPlan, fields: Mapping[str, AnyArray], starts: Int64Array, row_format: RowFormat
) -> dict[str, AnyArray]:
    """Assembles what is aligned with the tokens, where they are targets.

    Args:
        plan: The rows.
        fields: By name [m], aligned with the tokens of the documents that were read.
        starts: int64[n_spans], where in them the first token of each span stands.
        row_format: Row length and shift.

    Returns:
        By name [n_rows, length] in the field's dtype: of each target the value that its document gives the token;
        0 on padding, and where an input has no target.
    """
    length = row_format.length
    segments = Segments.of(plan, length)
    assembled: dict[str, AnyArray] = {}
    for name, values in fields.items():
        field = segments.laid_out(values, starts, 0)
        if row_format.shift == "targets":
            field[:-1] = field[1:]
            field[length - 1 :: length] = 0
            field[segments.first[segments.of_span] + plan.length - 1] = 0
        assembled[name] = field.reshape(len(plan), length)
    return assembled


def assemble_numbers(plan: RowPlan, number: Int32Array, length: int) -> Int32Array:
    """Writes a number of each span, int32[n_spans], to all its cells: int32[n_rows, length]; 0 on padding."""
    segments = Segments.of(plan, length)
    number_of_segment = np.zeros(len(segments.length), np.int32)
    number_of_segment[segments.of_span] = number
    return np.repeat(number_of_segment, segments.length).reshape(len(plan), length)
