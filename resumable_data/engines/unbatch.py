"""The engine of batches whose rows are delivered one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from typing_extensions import override

from resumable_data.batch import LLMBatch
from resumable_data.engines.batches import BatchCursor, BatchEngine, BatchPlan
from resumable_data.engines.engine import Engine, Planned, Resumed
from resumable_data.errors import PipelineError, PipelineMismatchError
from resumable_data.opaque import Element, PyTree
from resumable_data.packing.plan import concatenate
from resumable_data.planning.planner import Counts
from resumable_data.state import At


@dataclass(frozen=True)
class UnbatchCursor:
    """A position in a pipeline of rows.

    Attributes:
        batch: The batches' cursor, before the batch of the next row.
        row: Rows of that batch before the cursor.
    """

    batch: BatchCursor
    row: int


class UnbatchEngine(Engine[BatchPlan, UnbatchCursor, Element]):
    """Elements are rows: an ``LLMBatch`` whose fields are int32[length]. A step is a row of this process.

    Args:
        batches: The engine of the batches.
        rows: Number of rows of a batch that this process gets.
        steps: Number of batches after which rows end, or None for all there are.
    """

    def __init__(self, batches: BatchEngine, rows: int, steps: int | None) -> None:
        self._batches = batches
        self._rows = rows
        self._steps = steps
        self._planned: tuple[BatchCursor, Planned[BatchPlan, BatchCursor] | None] | None = None

    @property
    @override
    def spans_at_once(self) -> int:
        """Number of spans that are best read together."""
        return self._batches.spans_at_once

    @property
    @override
    def plans_without_reading(self) -> bool:
        return self._batches.plans_without_reading

    @override
    def start(self) -> UnbatchCursor:
        return UnbatchCursor(self._batches.start(), 0)

    @override
    def plan(self, cursor: UnbatchCursor, step: int) -> Planned[BatchPlan, UnbatchCursor] | None:
        batch_step = step // self._rows
        if self._steps is not None and batch_step >= self._steps:
            return None
        planned = self._batch(cursor.batch, batch_step)
        if planned is None:
            return None
        last = cursor.row + 1 == self._rows
        after = UnbatchCursor(planned.after, 0) if last else replace(cursor, row=cursor.row + 1)
        row = planned.plan.rows.slice(cursor.row, cursor.row + 1)
        needed = np.ones(len(row.record), np.bool_)
        plan = BatchPlan(row, needed, planned.plan.n_rows)
        return Planned(plan, after, len(row.record), int(row.length.sum()), planned.digest if last else None)

    @override
    def load(self, plans: Sequence[BatchPlan]) -> Iterator[LLMBatch]:
        together = concatenate([plan.rows for plan in plans])
        needed = np.concatenate([plan.needed for plan in plans])
        (batch,) = self._batches.load([BatchPlan(together, needed, len(plans))])
        return (_row(batch, place) for place in range(len(plans)))

    @override
    def encode(self, cursor: UnbatchCursor) -> tuple[int, dict[str, At]]:
        """Returns the integers of the batch of the next row. The step counts the rows within it."""
        return self._batches.encode(cursor.batch)

    @override
    def skipping(self, cursor: UnbatchCursor, step: int, count: int) -> UnbatchCursor:
        raise PipelineError("skip works on batches: it counts them")

    @override
    def decode(self, resumed: Resumed) -> UnbatchCursor:
        batch_step, row = divmod(resumed.position.step, self._rows)
        if row and resumed.row_length_before is not None:
            raise PipelineMismatchError(
                f"unbatch: the row length cannot be changed here, because {row} of the {self._rows} rows of a batch "
                "are delivered. It can be changed at a step at which a batch ends, or in a new run",
                (f"the row length was {resumed.row_length_before}",),
            )
        of_batch = replace(resumed, position=replace(resumed.position, step=batch_step))
        return UnbatchCursor(self._batches.decode(of_batch), row)

    @override
    def epoch(self, cursor: UnbatchCursor) -> int | None:
        """Returns the epoch in which the batch of the next row begins."""
        return self._batches.epoch(cursor.batch)

    @override
    def next_epochs(self, cursor: UnbatchCursor) -> dict[str, int | None]:
        return self._batches.next_epochs(cursor.batch)

    @override
    def whereabouts(self, cursor: UnbatchCursor) -> tuple[int, int | None]:
        """Returns rows and epoch of the batch of the next row."""
        return self._batches.whereabouts(cursor.batch)

    @override
    def close(self) -> None:
        """Ends measuring in the background, and drops what it keeps."""
        self._batches.close()

    @override
    def counts(self, cursor: UnbatchCursor, *, ended: bool) -> dict[str, Counts]:
        """Returns what each component has delivered in whole batches."""
        return self._batches.counts(cursor.batch, ended=ended)

    @override
    def remainder(self, cursor: UnbatchCursor, step: int, ended: bool) -> int:
        """Returns how many rows are not delivered because they do not fill a batch."""
        return self._batches.remainder(cursor.batch, step // self._rows, ended)

    @override
    def cells(self, rows: int) -> int:
        return self._batches.cells(rows)

    def _batch(self, cursor: BatchCursor, step: int) -> Planned[BatchPlan, BatchCursor] | None:
        # Kept only for speed: it follows from the cursor.
        kept = self._planned
        if kept is None or kept[0] is not cursor:
            kept = cursor, self._batches.plan(cursor, step)
            self._planned = kept
        return kept[1]


def _row(batch: LLMBatch, place: int) -> LLMBatch:
    """Returns a row of a batch. Its document borders are computed when they are asked for."""

    def at_place(field: PyTree) -> PyTree:
        return field[place]

    return jax.tree.map(at_place, batch)
