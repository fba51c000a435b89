"""Writes rows of spans into batch arrays, in one pass over the cells."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import BoolArray, Int32Array, Int64Array
from resumable_data.assembly.row_format import RowFormat
from resumable_data.assembly.segments import Segments
from resumable_data.packing.plan import RowPlan

Fields = dict[str, Int32Array]


def assemble(plan: RowPlan, values: Int32Array, starts: Int64Array, row_format: RowFormat) -> Fields:
    """Writes the fields of an ``LLMBatch``.

    Args:
        plan: The rows.
        values: int32[m], tokens of the documents that were read.
        starts: int64[n_spans], where in ``values`` the first token of each span stands; that of a continued
            document has its predecessor before it.
        row_format: Row length, special tokens and shift.

    Returns:
        int32[n_rows, length] by field name.
    """
    n_rows, length = len(plan), row_format.length
    segments = Segments.of(plan, length)
    text = segments.laid_out(values, starts, row_format.pad_id)
    position = segments.laid_out(np.arange(length, dtype=np.int32), np.zeros_like(starts), 0)
    segmentation = np.repeat(segments.number, segments.length)
    begins = segments.first[segments.of_span]  # int64[n_spans], the first cell of each span
    fields = _shifted(plan, values, starts, row_format, text, begins, segmentation)
    fields |= {"inputs_position": position, "targets_position": position.copy()}
    return {name: field.reshape(n_rows, length) for name, field in fields.items()}


def _shifted(
    plan: RowPlan,
    values: Int32Array,
    starts: Int64Array,
    row_format: RowFormat,
    text: Int32Array,
    begins: Int64Array,
    segmentation: Int32Array,
) -> Fields:
    """Inputs, targets and their segmentations, int32[n_rows * length] each."""
    inputs, targets, target_segmentation = text, text, segmentation.copy()
    if row_format.shift == "inputs":
        inputs = np.empty_like(text)
        inputs[1:] = text[:-1]
        inputs[:: row_format.length] = row_format.eod_id
        continued: BoolArray = plan.offset > 0
        inputs[begins] = row_format.eod_id
        inputs[begins[continued]] = values[starts[continued] - 1]
    elif row_format.shift == "targets":
        targets = np.full_like(text, row_format.pad_id)
        targets[:-1] = text[1:]
        targets[row_format.length - 1 :: row_format.length] = row_format.pad_id
        last = begins + plan.length - 1  # int64[n_spans], the last cell of each span
        targets[last] = row_format.pad_id
        target_segmentation[last] = 0
    else:
        targets = text.copy()
    return {
        "inputs": inputs,
        "targets": targets,
        "inputs_segmentation": segmentation,
        "targets_segmentation": target_segmentation,
    }
