"""The engine of batches: it plans and loads them, and knows where they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
from typing_extensions import override

from resumable_data.arrays import BoolArray, Int32Array, Int64Array
from resumable_data.assembly.as_dict import DictForm
from resumable_data.assembly.make_batch import make_batch
from resumable_data.assembly.row_format import RowFormat
from resumable_data.batch import LLMBatch
from resumable_data.edits import Edit
from resumable_data.engines.engine import Engine, Planned, Resumed, spans_at_once
from resumable_data.errors import StateError
from resumable_data.opaque import Cursor, Element, PyTree
from resumable_data.order.schedule import BatchSchedule
from resumable_data.order.sequence import fill_slots
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.placement.views import View
from resumable_data.planning.planner import Counts, RowPlanner, Saved
from resumable_data.reading.measuring import Measuring
from resumable_data.reading.read import Spans, read_spans
from resumable_data.reading.reader import Reader
from resumable_data.state import At
from resumable_data.timing import Work
from resumable_data.waits import Doing

_STEPS_BETWEEN_LOOKS = 16
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class BatchCursor:
    """A position in a pipeline of batches.

    Attributes:
        rows: Rows delivered or skipped.
        parent: The rows' own cursor.
        skips: Pairs of a step and the number of batches to skip before it.
    """

    rows: int
    parent: Cursor
    skips: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Length:
    """The number of batches of a pipeline.

    Attributes:
        steps: The number, or None if they are endless.
        exact: Whether it was counted, rather than estimated from the first documents.
    """

    steps: int | None
    exact: bool


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """What this process needs of one global batch.

    Attributes:
        rows: Its rows of the batch.
        needed: bool[n_spans], the spans to read.
        n_rows: Rows of the whole batch.
    """

    rows: RowPlan
    needed: BoolArray
    n_rows: int


@dataclass(frozen=True, eq=False)
class BatchEngine(Engine[BatchPlan, BatchCursor, Element]):
    """Plans and loads batches. It plans every row, and loads what this process needs.

    Attributes:
        rows: The planner of the rows.
        readers: The readers that plans refer to, by number.
        schedule: Rows of each global batch.
        drop_remainder: Whether rows that do not fill the last batch are left out.
        row_format: How rows become arrays.
        delivered_type: The type of the batches.
        form: The form of the dictionary that each batch becomes before it is placed; None to keep the batch.
        functions: Functions applied to each batch last, in this order.
        view: The part of a batch that this process gets.
        lengths_known: Whether token counts are known without reading.
        source_numbers: int32[n_readers], the number of each component for batches that say which component a token
            is of; None for others.
        shards: Logical shards, each of which has an equal part of the slots of a batch.
        measuring: What measures documents of unknown length; None if all lengths are known.
    """

    rows: RowPlanner[Cursor]
    readers: Sequence[Reader]
    schedule: BatchSchedule
    drop_remainder: bool
    row_format: RowFormat
    delivered_type: type[LLMBatch]
    view: View
    lengths_known: bool
    source_numbers: Int32Array | None = None
    shards: int = 1
    measuring: Measuring | None = None
    form: DictForm | None = None
    functions: Sequence[Callable[[PyTree], PyTree]] = ()

    @property
    @override
    def spans_at_once(self) -> int:
        """Number of spans that are best read together."""
        # Planning has read these documents already, and a resume would drop more that is read ahead.
        return spans_at_once(len(self.readers)) if self.lengths_known else 1

    @property
    @override
    def plans_without_reading(self) -> bool:
        """Whether the lengths of all documents are known."""
        return self.lengths_known

    @override
    def start(self) -> BatchCursor:
        return BatchCursor(0, self.rows.start())

    @override
    def plan(self, cursor: BatchCursor, step: int) -> Planned[BatchPlan, BatchCursor] | None:
        """Plans the batch of a step and the cursor after it; None at the end."""
        cursor, complete = self._after_skips(cursor, step)
        size = self.schedule.size(step)
        rows, parent = self.rows.take(cursor.parent, size)
        if not complete or len(rows) == 0 or (len(rows) < size and self.drop_remainder):
            return None
        return self._planned(rows, size, BatchCursor(cursor.rows + len(rows), parent, cursor.skips))

    @override
    def load(self, plans: Sequence[BatchPlan]) -> Iterator[Element]:
        """Reads the documents of all plans at once; then assembles one batch after the other."""
        together = concatenate([plan.rows for plan in plans])
        needed = np.concatenate([plan.needed for plan in plans])
        spans = read_spans(self.readers, together, needed, self.row_format.fields)
        return self._assembled(plans, spans)

    @override
    def skipping(self, cursor: BatchCursor, step: int, count: int) -> BatchCursor:
        """Returns the cursor that will skip ``count`` batches before the batch of a step."""
        return BatchCursor(cursor.rows, cursor.parent, (*cursor.skips, (step, count)))

    @override
    def encode(self, cursor: BatchCursor) -> tuple[int, dict[str, At]]:
        """Returns rows delivered or skipped, and the components' integers. The edits hold the skips."""
        return cursor.rows, self.rows.encode(cursor.parent)

    @override
    def decode(self, resumed: Resumed) -> BatchCursor:
        """Returns the cursor of a state. From its step on, batches have the sizes of the present pipeline."""
        position, settings = resumed.position, resumed.settings["batch"]
        size = settings["size"]
        sizes = [(0, size)] if isinstance(size, int) else cast(list[tuple[int, int]], size)
        before = BatchSchedule.from_sizes(sizes)
        saved = Saved(
            at=position.at,
            rows=position.rows,
            settings=resumed.settings,
            edits=position.edits,
            rows_before=_rows_of_steps(before, position.edits),
            rows_now=_rows_of_steps(self.schedule, (*position.edits, *resumed.changes)),
            epochs_before=resumed.epochs_before,
            row_length_before=resumed.row_length_before,
        )
        parent = self.rows.decode(saved)
        # Without edits the rows follow from the step; the last batch may have been short.
        step, rows = position.step, position.rows
        low, high = before.first_row(max(step - 1, 0)), before.first_row(step)
        possible = bool(position.edits) or rows == high or (low < rows < high and not settings["drop_remainder"])
        if not possible or self.rows.position(parent) != rows:
            raise StateError(f"the state is damaged: step {step} does not match {rows} rows")
        skips = tuple(
            (edit.step, cast(int, edit.after))
            for edit in position.edits
            if edit.kind == "skip" and edit.step >= position.step
        )
        return BatchCursor(rows, parent, skips)

    @override
    def counts(self, cursor: BatchCursor, *, ended: bool) -> dict[str, Counts]:
        """Returns what each component has delivered, including skipped batches."""
        return self.rows.counts(cursor.parent, ended=ended)

    @override
    def epoch(self, cursor: BatchCursor) -> int | None:
        """Returns the epoch in which the next batch begins, if there is one component."""
        return self.rows.epoch(cursor.parent)

    @override
    def next_epochs(self, cursor: BatchCursor) -> dict[str, int | None]:
        return self.rows.next_epochs(cursor.parent)

    @override
    def whereabouts(self, cursor: BatchCursor) -> tuple[int, int | None]:
        """Returns rows delivered or skipped, and the epoch that has begun."""
        return cursor.rows, self.rows.epoch_begun(cursor.parent)

    @override
    def remainder(self, cursor: BatchCursor, step: int, ended: bool) -> int:
        """Returns the rows after the cursor, if they do not fill a batch or the batches have ended; else 0."""
        if not self.drop_remainder:
            return 0
        cursor, complete = self._after_skips(cursor, step)
        size = self.schedule.size(step)
        following, _ = self.rows.take(cursor.parent, size)
        goes_on = complete and len(following) == size and not ended
        return 0 if goes_on else _count_rows(self.rows, cursor.parent)

    @override
    def close(self) -> None:
        """Ends measuring in the background, and drops what it keeps."""
        if self.measuring is not None:
            self.measuring.close()

    def length(self, at_most: int) -> Length:
        """Counts batches by planning, or estimates their number after ``at_most`` documents."""
        cursor, steps = self.start(), 0
        while (extent := self.rows.extent(cursor.parent)) is not None:
            if at_most < extent.done < extent.total:
                rows = int(cursor.rows * extent.total / extent.done)
                return Length(self.schedule.step_of(rows), False)
            for _ in range(_STEPS_BETWEEN_LOOKS):
                planned = self.plan(cursor, steps)
                if planned is None:
                    return Length(steps, True)
                cursor, steps = planned.after, steps + 1
        return Length(None, True)

    @override
    def cells(self, rows: int) -> int:
        return rows * self.row_format.length

    def _planned(self, rows: RowPlan, size: int, after: BatchCursor) -> Planned[BatchPlan, BatchCursor]:
        """Returns what this process needs of a batch of up to ``size`` rows."""
        of_all = rows.digest()
        slots = self.view.rows(size)
        if len(rows) < size:
            rows = rows.padded(size)
        elif rows.owner is not None:
            slots = fill_slots(rows.owner, self.shards)[slots]
        local = select_rows(rows, slots)
        needed = self.view.needs(local, size)
        if needed is None:
            needed = np.ones(len(local.record), np.bool_)
        spans, tokens = int(np.count_nonzero(needed)), int(local.length[needed].sum())
        return Planned(BatchPlan(local, needed, size), after, spans, tokens, of_all)

    def _after_skips(self, cursor: BatchCursor, step: int) -> tuple[BatchCursor, bool]:
        """Returns the cursor after the batches skipped before a step, and whether there are so many.

        Nothing is read of them.
        """
        due, complete = sum(count for at, count in cursor.skips if at == step), True
        rows, parent = cursor.rows, cursor.parent
        for skipped in range(due):
            size = self.schedule.size(step + skipped)
            taken, after = self.rows.take(parent, size)
            complete = complete and len(taken) == size
            if complete or not self.drop_remainder:
                rows, parent = rows + len(taken), after
        return BatchCursor(rows, parent, tuple(skip for skip in cursor.skips if skip[0] != step)), complete

    def _assembled(self, plans: Sequence[BatchPlan], spans: Spans) -> Iterator[Element]:
        first = 0
        for plan in plans:
            last = first + len(plan.rows.record)
            own = spans._replace(starts=spans.starts[first:last])
            with Doing(_assembling, Work.ASSEMBLING):
                batch = make_batch(self.delivered_type, plan.rows, own, self.row_format, self.source_numbers)
                finished: PyTree = self.view.finish(batch if self.form is None else self.form.of(batch), plan.n_rows)
            for function in self.functions:
                with Doing(partial("map_batches: {!r}".format, function), Work.MAPPING):
                    finished = function(finished)
            first = last
            yield finished


def _assembling() -> str:
    return "assembling a batch"


def _rows_of_steps(schedule: BatchSchedule, edits: Sequence[Edit]) -> Callable[[int], int]:
    """Returns the function from a step to its first row, for a schedule in force since its last edit."""
    changes = [edit for edit in edits if edit.kind == "setting" and edit.stage == "batch"]
    if not changes:
        return schedule.first_row
    shift = changes[-1].rows - schedule.first_row(changes[-1].step)
    return lambda step: schedule.first_row(step) + shift


def _count_rows(planner: RowPlanner[Cursor], at: Cursor) -> int:
    """Counts the rows after a cursor; they have to end."""
    total = 0
    while rows := len((taken := planner.take(at, _ROWS_AT_ONCE))[0]):
        total, at = total + rows, taken[1]
    return total


def select_rows(plan: RowPlan, rows: Int64Array) -> RowPlan:
    """Returns the given rows of a plan, without a copy if they are consecutive."""
    if len(rows) == 0:
        return RowPlan.empty(0)
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1 and (np.diff(rows) == 1).all():
        return plan.slice(first, last + 1)
    return plan.take(rows)
