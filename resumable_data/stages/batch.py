"""The batch stage: rows into global batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.batch import LLMBatch, LLMIndexedBatch
from resumable_data.errors import PipelineError
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.stages.assemble import assemble
from resumable_data.stages.iterator import Planned
from resumable_data.stages.read import read_spans
from resumable_data.stages.stage import At, Counts, DocumentReader, Opening, RowFormat, RowPlanner, RowStage
from resumable_data.state import Settings


class View(Protocol):
    """What one process sees of a global batch."""

    def rows(self, n_rows: int) -> Int64Array:
        """Rows of a global batch of ``n_rows`` that this process needs: int64[m], ascending."""
        ...

    def finish(self, batch: LLMBatch, n_rows: int) -> LLMBatch:
        """What is handed over, made of a batch of these rows."""
        ...

    def struct(self, batch: LLMBatch) -> LLMBatch:
        """Shapes and dtypes of what is handed over, from those of the global batch."""
        ...


@dataclass(frozen=True)
class WholeBatch:
    """The view of a single process: every row, in NumPy."""

    def rows(self, n_rows: int) -> Int64Array:
        """All of them."""
        return np.arange(n_rows)

    def finish(self, batch: LLMBatch, n_rows: int) -> LLMBatch:
        """The batch as it is."""
        return batch

    def struct(self, batch: LLMBatch) -> LLMBatch:
        """The global shapes."""
        return batch


@dataclass(frozen=True)
class Batch:
    """Consecutive rows as global batches.

    Attributes:
        parent: The rows.
        size: Rows a global batch.
        drop_remainder: Whether rows that do not fill the last batch are left out, rather than filled up with
            rows that carry no scored token.
        batch_type: ``LLMBatch`` or ``LLMIndexedBatch``.
        view: What this process sees of a batch.
    """

    parent: RowStage
    size: int
    drop_remainder: bool
    batch_type: type[LLMBatch]
    view: View = WholeBatch()

    def __post_init__(self) -> None:
        if self.size < 1:
            raise PipelineError(f"batch: size={self.size} must be at least 1 row")
        if issubclass(self.batch_type, LLMIndexedBatch) and "pad" not in type(self.parent).__name__.lower():
            raise PipelineError(
                "batch: an LLMIndexedBatch has one document a row; use pad(…) instead of pack(…)"
            )

    @property
    def name(self) -> str:
        """The stage's name."""
        return "batch"

    def settings(self) -> Settings:
        """Size and remainder."""
        return {"size": self.size, "drop_remainder": self.drop_remainder}

    def struct(self) -> LLMBatch:
        """Shapes and dtypes of the batches that this process is handed."""
        return self.view.struct(self.batch_type.get_dtype_struct(self.size, self.parent.format.length))

    def engine(self, opening: Opening) -> BatchEngine:
        """What an iterator of these batches drives."""
        planner = self.parent.open(opening, self.parent.component)
        return BatchEngine(self, planner, opening.readers)


@dataclass(frozen=True)
class BatchCursor:
    """Where a pipeline of batches is: rows delivered, and the rows' own cursor."""

    rows: int
    parent: Any


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The rows of one global batch that this process needs, and the number of rows in the whole of it."""

    rows: RowPlan
    n_rows: int


class BatchEngine:
    """Plans and loads batches. Planning covers every row, loading those that this process needs."""

    def __init__(self, stage: Batch, planner: RowPlanner[Any], readers: Sequence[DocumentReader]) -> None:
        self._stage = stage
        self._planner = planner
        self._readers = readers

    def start(self) -> BatchCursor:
        """The cursor in front of the first batch."""
        return BatchCursor(0, self._planner.start())

    def plan(self, cursor: BatchCursor) -> Planned[BatchPlan, BatchCursor] | None:
        """The next batch and the cursor behind it, or None at the end."""
        size = self._stage.size
        rows, parent = self._planner.take(cursor.parent, size)
        if len(rows) == 0 or (len(rows) < size and self._stage.drop_remainder):
            return None
        behind = BatchCursor(cursor.rows + len(rows), parent)
        local = select_rows(rows.padded(size), self._stage.view.rows(size))
        return Planned(BatchPlan(local, size), behind, len(local.record), int(local.length.sum()))

    def load(self, plans: Sequence[BatchPlan]) -> Iterator[LLMBatch]:
        """Reads the documents of all plans at once; then assembles one batch after the other."""
        together = concatenate([plan.rows for plan in plans])
        values, starts = read_spans(self._readers, together)
        return self._assembled(plans, values, starts)

    def encode(self, cursor: BatchCursor) -> tuple[int, dict[str, At]]:
        """Rows delivered, and the components' integers."""
        return cursor.rows, self._planner.encode(cursor.parent)

    def decode(self, rows: int, at: Mapping[str, At]) -> BatchCursor:
        """The cursor that ``encode`` gave."""
        return BatchCursor(rows, self._planner.decode(at))

    def counts(self, cursor: BatchCursor) -> dict[str, Counts]:
        """What each component has delivered."""
        return self._planner.counts(cursor.parent)

    def remainder(self, cursor: BatchCursor) -> int:
        """Rows behind the cursor that fill no batch, if it is the last; 0 otherwise."""
        left = len(self._planner.take(cursor.parent, self._stage.size)[0])
        return left if left < self._stage.size else 0

    def cells(self, rows: int) -> int:
        """Cells of so many rows."""
        return rows * self._stage.parent.format.length

    def _assembled(self, plans: Sequence[BatchPlan], values: Any, starts: Int64Array) -> Iterator[LLMBatch]:
        first = 0
        for plan in plans:
            last = first + len(plan.rows.record)
            batch = make_batch(
                self._stage.batch_type, plan.rows, values, starts[first:last], self._stage.parent.format
            )
            first = last
            yield self._stage.view.finish(batch, plan.n_rows)


def select_rows(plan: RowPlan, rows: Int64Array) -> RowPlan:
    """The given rows of a plan, without copying where they are consecutive."""
    if len(rows) == 0:
        return RowPlan.empty(0)
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1:
        return plan.slice(first, last + 1)
    return plan.take(rows)


def make_batch(
    batch_type: type[LLMBatch], plan: RowPlan, values: Any, starts: Int64Array, row_format: RowFormat
) -> LLMBatch:
    """Assembles a batch; for an ``LLMIndexedBatch`` with the number and chunk of each row's document."""
    fields = assemble(plan, values, starts, row_format)
    if issubclass(batch_type, LLMIndexedBatch):
        filled = np.diff(plan.rows) > 0
        if len(plan.record) and int(plan.record.max()) >= 2**31 - 1:
            raise PipelineError(
                f"record {int(plan.record.max())} is beyond what document_idx, an int32, can number"
            )
        fields["document_idx"] = np.zeros(len(plan), np.int32)
        fields["document_idx"][filled] = plan.record + 1
        fields["sequence_idx"] = np.zeros(len(plan), np.int32)
        fields["sequence_idx"][filled] = plan.offset // row_format.length
    return batch_type(**fields)
