"""``explain``: the documents of the global batch of a step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np

from resumable_data.answers.checkpoints import SavedState
from resumable_data.answers.components import file_of, line_of, source_records
from resumable_data.answers.replay import Replay
from resumable_data.arguments import as_integer
from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.explanation import Explanation, Span
from resumable_data.packing.plan import NO_EPOCH, RowPlan
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import Component, components_of


def explain(
    batch: Batch,
    step: int,
    state: SavedState | None = None,
    allow: Collection[str] = (),
    progress: bool = True,
) -> Explanation:
    """Lists the documents of the global batch of a step; see ``BatchDataset.explain``."""
    step = as_integer("explain: step", step)
    with Replay("explain", batch, state, allow, progress) as replay:
        return explained(batch, replay, step, replay.plan(step))


def explained(batch: Batch, replay: Replay, step: int, rows: RowPlan) -> Explanation:
    """Explains the planned rows of a step."""
    components = components_of(batch.parent)
    by_number = {number: (path, components[path]) for path, number in replay.numbers.items()}
    return Explanation(step, batch.parent.format.length, _rows(rows, by_number))


def columns_of(plan: RowPlan) -> Int64Array:
    """Returns the column at which each span of a plan begins in its row: int64[n_spans].

    >>> zeros = np.zeros(3, np.int64)
    >>> columns_of(RowPlan(np.array([0, 2, 3]), zeros, zeros, zeros, np.array([5, 3, 4]), zeros)).tolist()
    [0, 5, 0]
    """
    begins = offsets_of(plan.length)  # tokens of all rows before each span
    return begins[:-1] - np.repeat(begins[plan.rows[:-1]], np.diff(plan.rows))


def _rows(plan: RowPlan, by_number: Mapping[int, tuple[str, Component]]) -> tuple[tuple[Span, ...], ...]:
    records = plan.record.copy()
    for number, (_, component) in by_number.items():
        own = plan.reader == number
        records[own] = source_records(component, plan.record[own])
    epochs = np.full(len(records), NO_EPOCH) if plan.epoch is None else plan.epoch
    values = (plan.reader, records, epochs, plan.offset, plan.length, plan.document_length, columns_of(plan))
    spans: list[Span] = []
    for number, record, epoch, start, length, whole, column in zip(*(v.tolist() for v in values), strict=True):
        path, component = by_number[number]
        spans.append(
            Span(
                component=path,
                record=record,
                epoch=None if epoch == NO_EPOCH else epoch,
                start=start,
                stop=start + length,
                length=whole,
                column=column,
                file=file_of(component, record),
                line=line_of(component, record),
            )
        )
    borders = plan.rows.tolist()
    return tuple(tuple(spans[first:last]) for first, last in pairwise(borders))
