"""Makes a batch of the requested type from rows that were planned and read."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int32Array
from resumable_data.assembly.assemble import assemble
from resumable_data.assembly.assemble_fields import assemble_fields, assemble_numbers
from resumable_data.assembly.row_format import RowFormat
from resumable_data.batch import LLMBatch, LLMFieldsBatch, LLMIndexedBatch, LLMIndexedFieldsBatch
from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonDict
from resumable_data.order.occurrences import records_of
from resumable_data.packing.plan import RowPlan
from resumable_data.reading.fields import SOURCE
from resumable_data.reading.read import Spans

_WITH_FIELDS: dict[type[LLMBatch], type[LLMFieldsBatch]] = {
    LLMBatch: LLMFieldsBatch,
    LLMIndexedBatch: LLMIndexedFieldsBatch,
}


def type_with_fields(batch_type: type[LLMBatch]) -> type[LLMFieldsBatch]:
    """Returns the batch type that has room for fields.

    Raises:
        PipelineError: There is none.
    """
    if issubclass(batch_type, LLMFieldsBatch):
        return batch_type
    if batch_type not in _WITH_FIELDS:
        raise PipelineError(
            f"batch: {batch_type.__name__} has no place for fields: derive it from LLMFieldsBatch instead of LLMBatch"
        )
    return _WITH_FIELDS[batch_type]


def make_batch(
    batch_type: type[LLMBatch],
    plan: RowPlan,
    spans: Spans,
    row_format: RowFormat,
    source_numbers: Int32Array | None = None,
) -> LLMBatch:
    """Assembles a batch; for an ``LLMIndexedBatch`` with the number and chunk of each row's document.

    Args:
        batch_type: Its type; where there are fields, one that has room for them.
        plan: The rows.
        spans: What was read for them.
        row_format: Row length, special tokens, shift and fields.
        source_numbers: int32[n_readers], the number of each reader's component in the batch's sources; None if the
            batch has no sources.
    """
    fields: JsonDict = assemble(plan, spans.values, spans.starts, row_format)
    if issubclass(batch_type, LLMIndexedBatch):
        filled = np.diff(plan.rows) > 0
        record = records_of(plan.record)
        if len(record) and int(record.max()) >= 2**31 - 1:
            raise PipelineError(f"record {int(record.max())} is beyond what document_idx, an int32, can number")
        fields["document_idx"] = np.zeros(len(plan), np.int32)
        fields["document_idx"][filled] = record + 1
        fields["sequence_idx"] = np.zeros(len(plan), np.int32)
        fields["sequence_idx"][filled] = plan.offset // row_format.length
    if issubclass(batch_type, LLMFieldsBatch):
        own = assemble_fields(plan, spans.fields, spans.starts, row_format) if spans.fields else {}
        learnt = row_format.learnt
        if learnt is not None and learnt.field in own:
            fields["targets_segmentation"][~learnt.mask(own[learnt.field])] = 0
        if source_numbers is not None:
            own[SOURCE] = assemble_numbers(plan, source_numbers[plan.reader], row_format.length)
        fields["fields"] = own
    return batch_type(**fields)
