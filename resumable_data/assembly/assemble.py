"""Rows of spans written into batch arrays, in one pass over the cells."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import BoolArray, Int32Array, Int64Array, offsets_of
from resumable_data.assembly.row_format import RowFormat
from resumable_data.packing.plan import RowPlan

Fields = dict[str, Int32Array]


def assemble(plan: RowPlan, values: Int32Array, starts: Int64Array, row_format: RowFormat) -> Fields:
    """The fields of an ``LLMBatch``.

    Args:
        plan: The rows.
        values: int32[m], tokens of the documents that were read.
        starts: int64[n_spans], where in ``values`` the first token of each span stands; that of a continued
            document has its predecessor in front of it.
        row_format: Row length, special tokens and shift.

    Returns:
        int32[n_rows, length] by field name.
    """
    n_rows, length = len(plan), row_format.length
    segments = Segments.of(plan, length)
    cells = np.arange(n_rows * length)
    # A cell of padding reads any token and is overwritten; `clip` keeps the read inside the buffer.
    segment_starts = np.zeros(len(segments.length), np.int64)
    segment_starts[segments.of_span] = starts
    text = np.zeros(n_rows * length, np.int32)
    if len(values):
        np.take(values, cells + np.repeat(segment_starts - segments.first, segments.length), mode="clip", out=text)
    segmentation = np.repeat(segments.number, segments.length)
    position = cells.astype(np.int32) - np.repeat(segments.first.astype(np.int32), segments.length)
    if len(plan.length) < len(segments.length):
        padding = segmentation == 0
        text[padding] = row_format.pad_id
        position[padding] = 0
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


class Segments:
    """The cells of all rows as a gapless sequence of spans and, where a row is not full, padding.

    Attributes:
        length: int64[n], cells of each segment.
        first: int64[n], its first cell.
        number: int32[n], number of the span in its row, from 1; 0 for padding.
        of_span: int64[n_spans], the segment of each span.
    """

    def __init__(self, length: Int64Array, number: Int32Array, of_span: Int64Array) -> None:
        self.length = length
        self.first = offsets_of(length)[:-1]
        self.number = number
        self.of_span = of_span

    @classmethod
    def of(cls, plan: RowPlan, row_length: int) -> Segments:
        """The segments of a plan's rows."""
        counts = np.diff(plan.rows)
        filled = np.diff(offsets_of(plan.length)[plan.rows])
        padded = filled < row_length
        row_of_span = np.repeat(np.arange(len(plan)), counts)
        paddings_before = offsets_of(padded.astype(np.int64))
        of_span = np.arange(len(plan.length)) + paddings_before[:-1][row_of_span]
        of_padding = plan.rows[1:][padded] + paddings_before[:-1][padded]
        length = np.empty(len(of_span) + len(of_padding), np.int64)
        length[of_span] = plan.length
        length[of_padding] = row_length - filled[padded]
        number = np.zeros(len(length), np.int32)
        number[of_span] = np.arange(len(of_span)) - plan.rows[:-1][row_of_span] + 1
        return cls(length, number, of_span)
