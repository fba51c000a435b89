"""The batch stage: rows into global batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import jax
import numpy as np

from resumable_data.arrays import BoolArray, Int32Array, Int64Array
from resumable_data.assembly.make_batch import make_batch, type_with_fields
from resumable_data.batch import LLMBatch, LLMFieldsBatch, LLMIndexedBatch
from resumable_data.errors import PipelineError, StateError
from resumable_data.order.schedule import BatchSchedule
from resumable_data.order.shards import Share
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.planning.planner import Counts, Saved
from resumable_data.planning.shards import ShardedAt, ShardedRows
from resumable_data.reading.fields import SOURCE
from resumable_data.reading.read import Spans, read_spans
from resumable_data.reading.reader import Reader
from resumable_data.stages.engine import SKIP, Planned, Resumed, spans_at_once
from resumable_data.stages.stage import Opening, RowStage
from resumable_data.stages.view import View, WholeBatch
from resumable_data.state import Edit, Settings

_STEPS_BETWEEN_LOOKS = 16


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
        sources: Whether batches say which component each token is of. It is no setting: the order is the same.
        view: What this process sees of a batch.
    """

    parent: RowStage
    schedule: BatchSchedule
    drop_remainder: bool
    batch_type: type[LLMBatch]
    shards: int
    sources: bool = False
    view: View = field(default_factory=WholeBatch)

    def __post_init__(self) -> None:
        if issubclass(self.batch_type, LLMIndexedBatch) and not self.parent.one_document_a_row:
            raise PipelineError("batch: an LLMIndexedBatch has one document a row; use pad(…) instead of pack(…)")
        if self.dtypes:
            type_with_fields(self.batch_type)
        if self.sources and SOURCE in dict(self.parent.format.fields):
            raise PipelineError(f"batch: sources=True gives a field {SOURCE!r}, as the documents do; rename theirs")
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

    @property
    def dtypes(self) -> dict[str, str]:
        """The fields beside the tokens, with their dtypes."""
        return dict(self.parent.format.fields) | ({SOURCE: "int32"} if self.sources else {})

    @property
    def delivered_type(self) -> type[LLMBatch]:
        """The type that was asked for, with room for fields if there are any."""
        return type_with_fields(self.batch_type) if self.dtypes else self.batch_type

    def settings(self) -> Settings:
        """Sizes by the step from which they apply, the remainder, and logical shards if there are several."""
        stretches = self.schedule.stretches
        size = stretches[0].size if len(stretches) == 1 else [[s.step, s.size] for s in stretches]
        shards = self.shards if self.shards > 1 else None
        return {"size": size, "drop_remainder": self.drop_remainder, "shards": shards}

    def struct(self, step: int) -> LLMBatch:
        """Shapes and dtypes of the batch of a step that this process is handed."""
        size, length = self.schedule.size(step), self.parent.format.length
        struct = self.delivered_type.get_dtype_struct(size, length)
        if isinstance(struct, LLMFieldsBatch):
            fields = {name: jax.ShapeDtypeStruct((size, length), dtype) for name, dtype in self.dtypes.items()}
            struct = struct.replace(fields=fields)
        return self.view.struct(struct)

    def engine(self, opening: Opening) -> BatchEngine:
        """What an iterator of these batches drives."""
        schedule, shards = self.schedule, self.shards
        opening.share = Share(0, shards)
        opening.first_row = schedule.first_row if shards == 1 else lambda step: schedule.first_row(step) // shards
        first = self.parent.open(opening, self.parent.component)
        opening.describe("*", self)
        # Where data ends, a process has to know when the shards of the others do: they say so, or it plans them all.
        endless, together = first.extent(first.start()) is None, bool(self.view.processes)
        here = self.shards_of(self.view) if endless or together else range(shards)
        others = {
            shard: self.parent.open(opening.of_shard(Share(shard, shards)), self.parent.component)
            for shard in here
            if shard != 0
        }
        planners = {0: first, **others} if 0 in here else others
        rows = ShardedRows(planners, first.encode(first.start()), shards, drop_remainder=self.drop_remainder)
        numbers = source_numbers(opening.numbers) if self.sources else None
        return BatchEngine(self, rows, opening.readers, numbers, together and not endless and shards > 1)

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
    """Plans and loads batches. Planning covers every row of the shards at hand, loading what this process needs.

    Attributes:
        ends_with_others: Whether batches end where the logical shards of other processes do, or those at hand.
    """

    def __init__(
        self,
        stage: Batch,
        planner: ShardedRows,
        readers: Sequence[Reader],
        source_numbers: Int32Array | None = None,
        ends_with_others: bool = False,
    ) -> None:
        self.ends_with_others = ends_with_others
        self._stage = stage
        self._planner = planner
        self._readers = readers
        self._source_numbers = source_numbers

    @property
    def spans_at_once(self) -> int:
        """Stretches of documents that are best read together."""
        # What had to be read to be planned is there already, and reading ahead would only be thrown away on a resume.
        return spans_at_once(len(self._readers)) if self._stage.parent.lengths_known else 1

    def start(self) -> BatchCursor:
        """The cursor in front of the first batch."""
        return BatchCursor(0, self._planner.start())

    def plan(self, cursor: BatchCursor, step: int) -> Planned[BatchPlan, BatchCursor] | None:
        """The batch of a step and the cursor behind it, or None at the end."""
        cursor, complete = self._behind_skips(cursor, step)
        size = self._stage.schedule.size(step)
        rows, parent = self._planner.take(cursor.parent, size)
        if not complete or len(rows) == 0 or (len(rows) < size and self._stage.drop_remainder):
            return None
        return self._planned(rows, size, BatchCursor(cursor.rows + len(rows), parent, cursor.skips))

    def unscored(self, cursor: BatchCursor, step: int) -> tuple[LLMBatch, BatchCursor]:
        """The batch of a step for which only other processes have rows, and the cursor behind it."""
        cursor, _ = self._behind_skips(cursor, step)
        size = self._stage.schedule.size(step)
        none, parent = self._planner.take(cursor.parent, size)
        planned = self._planned(none, size, BatchCursor(cursor.rows + size, parent, cursor.skips))
        (batch,) = self.load([planned.plan])
        return batch, planned.behind

    def load(self, plans: Sequence[BatchPlan]) -> Iterator[LLMBatch]:
        """Reads the documents of all plans at once; then assembles one batch after the other."""
        together = concatenate([plan.rows for plan in plans])
        needed = np.concatenate([plan.needed for plan in plans])
        spans = read_spans(self._readers, together, needed, self._stage.parent.format.fields)
        return self._assembled(plans, spans)

    def skipping(self, cursor: BatchCursor, step: int, count: int) -> BatchCursor:
        """The cursor that will skip ``count`` batches in front of the batch of a step."""
        return BatchCursor(cursor.rows, cursor.parent, (*cursor.skips, (step, count)))

    @property
    def processes(self) -> tuple[int, ...]:
        """The processes that deliver batches together; none where this one does so alone."""
        return self._stage.view.processes

    @property
    def drop_remainder(self) -> bool:
        """Whether batches end where one shard cannot fill its part, rather than where none has rows."""
        return self._stage.drop_remainder

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

    def remainder(self, cursor: BatchCursor, step: int, ended: bool) -> int:
        """Rows behind the cursor of the shards at hand, if they fill no batch or the batches have ended; else 0."""
        if not self._stage.drop_remainder:
            return 0
        cursor, complete = self._behind_skips(cursor, step)
        size = self._stage.schedule.size(step)
        following, _ = self._planner.take(cursor.parent, size)
        goes_on = complete and len(following) == size and not ended
        return 0 if goes_on else self._planner.left(cursor.parent)

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
        """Cells of so many rows, as far as their logical shards run here."""
        return self._planner.here(rows) * self._stage.parent.format.length

    def _planned(self, rows: RowPlan, size: int, behind: BatchCursor) -> Planned[BatchPlan, BatchCursor]:
        """A batch of up to ``size`` rows: what this process needs of them."""
        local = select_rows(rows.padded(size), self._stage.view.rows(size))
        needed = self._stage.view.needs(local, size)
        if needed is None:
            needed = np.ones(len(local.record), np.bool_)
        spans, tokens = int(np.count_nonzero(needed)), int(local.length[needed].sum())
        return Planned(BatchPlan(local, needed, size), behind, spans, tokens)

    def _behind_skips(self, cursor: BatchCursor, step: int) -> tuple[BatchCursor, bool]:
        """The cursor behind the batches that are skipped in front of a step, and whether there are so many.

        Nothing is read of them.
        """
        due, complete = sum(count for at, count in cursor.skips if at == step), True
        rows, parent = cursor.rows, cursor.parent
        for skipped in range(due):
            size = self._stage.schedule.size(step + skipped)
            taken, behind = self._planner.take(parent, size)
            # What other shards have in a batch shows here in nothing; if there is a batch behind it, it was full.
            rows, complete = rows + size, complete and len(taken) == size
            parent = behind if complete or not self._stage.drop_remainder else parent
        return BatchCursor(rows, parent, tuple(skip for skip in cursor.skips if skip[0] != step)), complete

    def _assembled(self, plans: Sequence[BatchPlan], spans: Spans) -> Iterator[LLMBatch]:
        stage, first = self._stage, 0
        for plan in plans:
            last = first + len(plan.rows.record)
            own = spans._replace(starts=spans.starts[first:last])
            batch = make_batch(stage.delivered_type, plan.rows, own, stage.parent.format, self._source_numbers)
            first = last
            yield stage.view.finish(batch, plan.n_rows)


def source_numbers(readers: Mapping[str, int]) -> Int32Array:
    """By reader the number of its component: its place among the sorted paths, from 1.

    >>> source_numbers({"web": 0, "code": 1}).tolist()
    [2, 1]
    """
    numbers = np.zeros(len(readers), np.int32)
    numbers[[readers[path] for path in sorted(readers)]] = np.arange(1, len(readers) + 1)
    return numbers


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
