"""The batch stage: rows into global batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.batch import LLMBatch, LLMIndexedBatch
from resumable_data.errors import PipelineError, StateError
from resumable_data.order.schedule import BatchSchedule
from resumable_data.order.shards import Share
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.stages.assemble import assemble
from resumable_data.stages.iterator import SKIP, Planned, Resumed
from resumable_data.stages.read import read_spans
from resumable_data.stages.shards import ShardedAt, ShardedRows
from resumable_data.stages.stage import (
    Counts,
    DocumentReader,
    Opening,
    RowFormat,
    RowStage,
    Saved,
)
from resumable_data.state import Edit, Settings, State

_STEPS_BETWEEN_LOOKS = 16


class View(Protocol):
    """What one process sees of a global batch."""

    def rows(self, n_rows: int) -> Int64Array:
        """Rows of a global batch of ``n_rows`` that this process needs: int64[m], ascending."""
        ...

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """Which spans of these rows it needs the tokens of, bool[n_spans], or None for all."""
        ...

    def finish(self, batch: LLMBatch, n_rows: int) -> LLMBatch:
        """What is handed over, made of a batch of these rows."""
        ...

    def struct(self, batch: LLMBatch) -> LLMBatch:
        """Shapes and dtypes of what is handed over, from those of the global batch."""
        ...

    def agree(self, state: State) -> None:
        """Called with the state before the first batch of a position: raises where other processes are elsewhere."""
        ...


@dataclass(frozen=True)
class WholeBatch:
    """The view of a single process: every row, in NumPy."""

    def rows(self, n_rows: int) -> Int64Array:
        """All of them."""
        return np.arange(n_rows)

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """All of them."""
        return None

    def finish(self, batch: LLMBatch, n_rows: int) -> LLMBatch:
        """The batch as it is."""
        return batch

    def struct(self, batch: LLMBatch) -> LLMBatch:
        """The global shapes."""
        return batch

    def agree(self, state: State) -> None:
        """Nothing: there is no other process."""


@dataclass(frozen=True)
class Batch:
    """Consecutive rows as global batches.

    Attributes:
        parent: The rows.
        schedule: Rows of each global batch.
        drop_remainder: Whether rows that do not fill the last batch are left out, rather than filled up with
            rows that carry no scored token.
        batch_type: ``LLMBatch`` or ``LLMIndexedBatch``.
        shards: Number of logical shards, which divides every batch size.
        view: What this process sees of a batch.
    """

    parent: RowStage
    schedule: BatchSchedule
    drop_remainder: bool
    batch_type: type[LLMBatch]
    shards: int
    view: View = WholeBatch()

    def __post_init__(self) -> None:
        if issubclass(self.batch_type, LLMIndexedBatch) and not self.parent.one_document_a_row:
            raise PipelineError("batch: an LLMIndexedBatch has one document a row; use pad(…) instead of pack(…)")
        if self.shards < 1 or any(size % self.shards for size in self.schedule.sizes):
            sizes = ", ".join(map(str, self.schedule.sizes))
            raise PipelineError(
                f"batch: batches of {sizes} rows cannot be divided among shards={self.shards} logical shards; "
                f"they can among the divisors of {math.gcd(*self.schedule.sizes)}"
            )

    @property
    def name(self) -> str:
        """The stage's name."""
        return "batch"

    def settings(self) -> Settings:
        """Sizes by the step from which they apply, the remainder, and logical shards if there are several."""
        stretches = self.schedule.stretches
        size = stretches[0].size if len(stretches) == 1 else [[s.step, s.size] for s in stretches]
        shards = self.shards if self.shards > 1 else None
        return {"size": size, "drop_remainder": self.drop_remainder, "shards": shards}

    def struct(self, step: int) -> LLMBatch:
        """Shapes and dtypes of the batch of a step that this process is handed."""
        size, length = self.schedule.size(step), self.parent.format.length
        return self.view.struct(self.batch_type.get_dtype_struct(size, length))

    def engine(self, opening: Opening) -> BatchEngine:
        """What an iterator of these batches drives."""
        schedule, shards = self.schedule, self.shards
        opening.share = Share(0, shards)
        opening.first_row = schedule.first_row if shards == 1 else lambda step: schedule.first_row(step) // shards
        first = self.parent.open(opening, self.parent.component)
        opening.describe("*", self)
        # Where data ends, every process has to know when the shards of the others do.
        endless = first.extent(first.start()) is None
        here = self.shards_of(self.view) if endless else range(shards)
        others = {
            shard: self.parent.open(opening.of_shard(Share(shard, shards)), self.parent.component)
            for shard in here
            if shard != 0
        }
        planners = {0: first, **others} if 0 in here else others
        rows = ShardedRows(planners, first.encode(first.start()), shards, drop_remainder=self.drop_remainder)
        return BatchEngine(self, rows, opening.readers)

    def shards_of(self, view: View) -> Sequence[int]:
        """The logical shards whose rows a process sees, ascending; the same for every batch size."""
        size = self.schedule.sizes[0]
        return cast(list[int], np.unique(view.rows(size) * self.shards // size).tolist())


@dataclass(frozen=True)
class BatchCursor:
    """Where a pipeline of batches is.

    Attributes:
        rows: Rows delivered or skipped.
        parent: The rows' own cursor.
        skips: Steps in front of which batches are to be skipped, and how many.
    """

    rows: int
    parent: Any
    skips: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Length:
    """How many batches a pipeline has.

    Attributes:
        steps: Their number, or None where they are endless.
        exact: Whether it was counted, rather than estimated from the first documents.
    """

    steps: int | None
    exact: bool


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """What this process needs of one global batch.

    Attributes:
        rows: Its rows of the batch.
        needed: bool[n_spans], the spans that are to be read.
        n_rows: Rows of the whole batch.
    """

    rows: RowPlan
    needed: BoolArray
    n_rows: int


class BatchEngine:
    """Plans and loads batches. Planning covers every row of the shards at hand, loading what this process needs."""

    def __init__(self, stage: Batch, planner: ShardedRows, readers: Sequence[DocumentReader]) -> None:
        self._stage = stage
        self._planner = planner
        self._readers = readers

    @property
    def reader_count(self) -> int:
        """Readers that plans refer to."""
        return len(self._readers)

    def start(self) -> BatchCursor:
        """The cursor in front of the first batch."""
        return BatchCursor(0, self._planner.start())

    def plan(self, cursor: BatchCursor, step: int) -> Planned[BatchPlan, BatchCursor] | None:
        """The batch of a step and the cursor behind it, or None at the end."""
        cursor = self._behind_skips(cursor, step)
        size = self._stage.schedule.size(step)
        rows, parent = self._planner.take(cursor.parent, size)
        if len(rows) == 0 or (len(rows) < size and self._stage.drop_remainder):
            return None
        behind = BatchCursor(cursor.rows + len(rows), parent, cursor.skips)
        local = select_rows(rows.padded(size), self._stage.view.rows(size))
        needed = self._stage.view.needs(local, size)
        if needed is None:
            needed = np.ones(len(local.record), np.bool_)
        spans, tokens = int(np.count_nonzero(needed)), int(local.length[needed].sum())
        return Planned(BatchPlan(local, needed, size), behind, spans, tokens)

    def load(self, plans: Sequence[BatchPlan]) -> Iterator[LLMBatch]:
        """Reads the documents of all plans at once; then assembles one batch after the other."""
        together = concatenate([plan.rows for plan in plans])
        values, starts = read_spans(self._readers, together, np.concatenate([plan.needed for plan in plans]))
        return self._assembled(plans, values, starts)

    def skipping(self, cursor: BatchCursor, step: int, count: int) -> BatchCursor:
        """The cursor that will skip ``count`` batches in front of the batch of a step."""
        return BatchCursor(cursor.rows, cursor.parent, (*cursor.skips, (step, count)))

    @property
    def shards(self) -> int:
        """Number of logical shards."""
        return self._stage.shards

    def encode(self, cursor: BatchCursor) -> tuple[int, ShardedAt]:
        """Rows delivered or skipped, and the components' integers. Skips stand among the edits."""
        return cursor.rows, self._planner.encode(cursor.parent)

    def decode(self, resumed: Resumed) -> BatchCursor:
        """The cursor of a state. Batches have the sizes of the pipeline at hand from its step on."""
        position, size = resumed.position, resumed.settings["batch"]["size"]
        sizes = [(0, size)] if isinstance(size, int) else cast(list[tuple[int, int]], size)
        before = BatchSchedule.from_sizes(sizes)
        saved = Saved(
            at={},
            rows=position.rows,
            settings=resumed.settings,
            edits=position.edits,
            rows_before=_rows_of_steps(before, position.edits),
            rows_now=_rows_of_steps(self._stage.schedule, (*position.edits, *resumed.changes)),
            epochs_before=resumed.epochs_before,
        )
        parent = self._planner.decode(lambda shard: replace(saved, at=resumed.at(shard, self._stage.shards)))
        # Without edits the rows follow from the step; the last batch may have been short.
        step, rows = position.step, position.rows
        low, high = before.first_row(max(step - 1, 0)), before.first_row(step)
        possible = bool(position.edits) or rows == high or (low < rows < high and not self._stage.drop_remainder)
        if not possible or not self._planner.stands_at(parent, rows):
            raise StateError(f"the state is damaged: step {step} does not go with {rows} rows")
        skips = tuple(
            (cast(int, edit["step"]), cast(int, edit["after"]))
            for edit in position.edits
            if edit["what"] == SKIP and cast(int, edit["step"]) >= position.step
        )
        return BatchCursor(rows, parent, skips)

    def counts(self, cursor: BatchCursor) -> dict[str, Counts]:
        """What each component has delivered, skipped batches included."""
        return self._planner.counts(cursor.parent)

    def remainder(self, cursor: BatchCursor, step: int) -> int:
        """Rows behind the cursor that fill no batch, if it is the last; 0 otherwise."""
        size = self._stage.schedule.size(step)
        left = self._planner.left(cursor.parent, size)
        return left if left < size and self._stage.drop_remainder else 0

    def length(self, at_most: int) -> Length:
        """Number of batches, counted by planning, or estimated once ``at_most`` documents are planned."""
        cursor, steps = self.start(), 0
        while (extent := self._planner.extent(cursor.parent)) is not None:
            if at_most < extent.done < extent.total:
                rows = int(cursor.rows * extent.total / extent.done)
                return Length(self._stage.schedule.step_of(rows), False)
            for _ in range(_STEPS_BETWEEN_LOOKS):
                planned = self.plan(cursor, steps)
                if planned is None:
                    return Length(steps, True)
                cursor, steps = planned.behind, steps + 1
        return Length(None, True)

    def cells(self, rows: int) -> int:
        """Cells of so many rows."""
        return rows * self._stage.parent.format.length

    def _behind_skips(self, cursor: BatchCursor, step: int) -> BatchCursor:
        """The cursor behind the batches that are skipped in front of a step; nothing is read of them."""
        due = sum(count for at, count in cursor.skips if at == step)
        for skipped in range(due):
            rows, parent = self._planner.take(cursor.parent, self._stage.schedule.size(step + skipped))
            cursor = BatchCursor(cursor.rows + len(rows), parent, cursor.skips)
        return BatchCursor(cursor.rows, cursor.parent, tuple(skip for skip in cursor.skips if skip[0] != step))

    def _assembled(self, plans: Sequence[BatchPlan], values: Any, starts: Int64Array) -> Iterator[LLMBatch]:
        first = 0
        for plan in plans:
            last = first + len(plan.rows.record)
            batch = make_batch(
                self._stage.batch_type, plan.rows, values, starts[first:last], self._stage.parent.format
            )
            first = last
            yield self._stage.view.finish(batch, plan.n_rows)


def _rows_of_steps(schedule: BatchSchedule, edits: Sequence[Edit]) -> Callable[[int], int]:
    """From a step to its first row, where a schedule holds from the last edit of the batch on."""
    changes = [edit for edit in edits if cast(str, edit["what"]).startswith("batch.")]
    if not changes:
        return schedule.first_row
    shift = cast(int, changes[-1]["rows"]) - schedule.first_row(cast(int, changes[-1]["step"]))
    return lambda step: schedule.first_row(step) + shift


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
            raise PipelineError(f"record {int(plan.record.max())} is beyond what document_idx, an int32, can number")
        fields["document_idx"] = np.zeros(len(plan), np.int32)
        fields["document_idx"][filled] = plan.record + 1
        fields["sequence_idx"] = np.zeros(len(plan), np.int32)
        fields["sequence_idx"][filled] = plan.offset // row_format.length
    return batch_type(**fields)
