"""Engines of pipelines that end before ``batch``: single rows, and single documents."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from typing_extensions import override

from resumable_data.assembly.make_batch import make_batch
from resumable_data.assembly.row_format import RowFormat
from resumable_data.batch import LLMBatch, LLMFieldsBatch
from resumable_data.engines.engine import Engine, Planned, Resumed, spans_at_once
from resumable_data.engines.pace import Pace
from resumable_data.errors import PipelineError, ResumableDataError, StateError
from resumable_data.opaque import Cursor, Element, Plan
from resumable_data.packing.plan import DocumentPlan, RowPlan, concatenate, concatenate_documents
from resumable_data.planning.planner import Counts, DocumentPlanner, RowPlanner, Saved
from resumable_data.planning.sequential_documents import SequentialDocuments
from resumable_data.reading.documents import Documents
from resumable_data.reading.measuring import Measuring
from resumable_data.reading.read import read_documents, read_spans
from resumable_data.reading.reader import Reader
from resumable_data.sources.record_memory import memory_of
from resumable_data.state import At
from resumable_data.timing import Work
from resumable_data.waits import Doing

_READ_AT_ONCE = 256

PlannerT = TypeVar("PlannerT", RowPlanner[Cursor], DocumentPlanner[Cursor])


class ElementEngine(Engine[Plan, Cursor, Element], Generic[PlannerT]):
    """The common part of engines whose elements are not batches.

    Args:
        planner: The planner of the elements.
        readers: The readers that plans refer to.
    """

    def __init__(self, planner: PlannerT, readers: Sequence[Reader]) -> None:
        self._planner = planner
        self._readers = readers

    @property
    @override
    def spans_at_once(self) -> int:
        """Number of spans that are best read together."""
        return spans_at_once(len(self._readers))

    @property
    @override
    def plans_without_reading(self) -> bool:
        """Whether elements are planned without reading a document."""
        return False

    @override
    def skipping(self, cursor: Cursor, step: int, count: int) -> Cursor:
        raise PipelineError("skip works on batches: it counts them")

    @override
    def remainder(self, cursor: Cursor, step: int, ended: bool) -> int:
        return 0

    @override
    def start(self) -> Cursor:
        return self._planner.start()

    @override
    def encode(self, cursor: Cursor) -> tuple[int, dict[str, At]]:
        """Returns 0 rows, because the step counts them, and the components' integers."""
        return 0, self._planner.encode(cursor)

    @override
    def decode(self, resumed: Resumed) -> Cursor:
        return decode_cursor(self._planner, resumed)

    @override
    def epoch(self, cursor: Cursor) -> int | None:
        """Returns the epoch of the next element, if there is one component."""
        return self._planner.epoch(cursor)

    @override
    def next_epochs(self, cursor: Cursor) -> dict[str, int | None]:
        return self._planner.next_epochs(cursor)

    @override
    def close(self) -> None:
        """Does nothing: there are no open files and no background work."""


class RowEngine(ElementEngine[RowPlanner[Cursor]]):
    """Elements are rows: an ``LLMBatch`` whose fields are int32[length]."""

    def __init__(
        self,
        planner: RowPlanner[Cursor],
        readers: Sequence[Reader],
        row_format: RowFormat,
        measuring: Measuring,
        lengths_known: bool,
    ) -> None:
        super().__init__(planner, readers)
        self._format = row_format
        self._measuring = measuring
        self._lengths_known = lengths_known

    @property
    @override
    def plans_without_reading(self) -> bool:
        """Whether the lengths of all documents are known."""
        return self._lengths_known

    @property
    @override
    def spans_at_once(self) -> int:
        """Number of spans that are best read together; 1 if planning reads documents."""
        return super().spans_at_once if self._lengths_known else 1

    @override
    def whereabouts(self, cursor: Cursor) -> tuple[int, int | None]:
        """Returns 0 rows, because the step counts them, and the epoch that has begun."""
        return 0, self._planner.epoch_begun(cursor)

    @override
    def counts(self, cursor: Cursor, *, ended: bool) -> dict[str, Counts]:
        return self._planner.counts(cursor, ended=ended)

    @override
    def close(self) -> None:
        """Ends measuring in the background, and drops what it keeps."""
        self._measuring.close()

    @override
    def plan(self, cursor: Cursor, step: int) -> Planned[RowPlan, Cursor] | None:
        row, after = self._planner.take(cursor, 1)
        return Planned(row, after, len(row.record), int(row.length.sum())) if len(row) else None

    @override
    def load(self, plans: Sequence[RowPlan]) -> Iterator[LLMBatch]:
        together = concatenate(plans)
        spans = read_spans(self._readers, together, fields=self._format.fields)
        with Doing(_assembling, Work.ASSEMBLING):
            batch_type = LLMFieldsBatch if self._format.fields else LLMBatch
            return iter(make_batch(batch_type, together, spans, self._format))

    @override
    def cells(self, rows: int) -> int:
        return rows * self._format.length


def _assembling() -> str:
    return "assembling rows"


class DocumentEngine(ElementEngine[DocumentPlanner[Cursor]]):
    """Elements are documents, as the source and the maps make them. It never drops one."""

    def __init__(self, planner: DocumentPlanner[Cursor], readers: Sequence[Reader]) -> None:
        super().__init__(planner, readers)
        self._pace = pace_of(planner, readers)

    @property
    @override
    def spans_at_once(self) -> int:
        """Number of documents that are best read together. Only reading shows their size and time."""
        return self._pace.count

    @property
    @override
    def plans_without_reading(self) -> bool:
        return True

    @override
    def whereabouts(self, cursor: Cursor) -> tuple[int, int | None]:
        """Returns 0 rows, and the epoch of the next document."""
        return 0, self._planner.epoch(cursor)

    @override
    def counts(self, cursor: Cursor, *, ended: bool) -> dict[str, Counts]:
        """Returns what each component has delivered. Does not count tokens."""
        return self._planner.counts(cursor)

    @override
    def plan(self, cursor: Cursor, step: int) -> Planned[DocumentPlan, Cursor] | None:
        document, after = self._planner.take(cursor, 1)
        return Planned(document, after, 1, 0) if len(document) else None

    @override
    def load(self, plans: Sequence[DocumentPlan]) -> Iterator[Element]:
        return iter(read_at_pace(self._readers, plans, self._pace))

    @override
    def cells(self, rows: int) -> int:
        return 0


def pace_of(planner: DocumentPlanner[Cursor], readers: Sequence[Reader]) -> Pace:
    """Returns the pace of reading documents: one by one if more is not faster, or if each plan waits for a read."""
    together = any(reader.reads_together for reader in readers) and not isinstance(planner, SequentialDocuments)
    return Pace(_READ_AT_ONCE * len(readers) if together else 1)


def read_at_pace(readers: Sequence[Reader], plans: Sequence[DocumentPlan], pace: Pace) -> Documents:
    """Reads documents together, and adapts the pace.

    Raises:
        ResumableDataError: One of them is bad, or storage fails.
    """
    started = time.monotonic()
    try:
        documents = read_documents(readers, concatenate_documents(plans))
    except ResumableDataError:
        pace.restart()
        raise
    pace.note(len(plans), time.monotonic() - started, sum(map(memory_of, documents)))
    return documents


def decode_cursor(
    planner: RowPlanner[Cursor] | DocumentPlanner[Cursor], resumed: Resumed, dropped: int = 0
) -> Cursor:
    """Returns the cursor of a state without batches: a step is a row, or a document.

    Args:
        planner: The planner of the elements.
        resumed: The state.
        dropped: Dropped documents before it.

    Raises:
        StateError: The planner has no such cursor.
    """
    position = resumed.position
    saved = Saved(
        position.at,
        position.step,
        resumed.settings,
        position.edits,
        rows_before=int,
        rows_now=int,
        epochs_before=resumed.epochs_before,
        row_length_before=resumed.row_length_before,
    )
    cursor = planner.decode(saved)
    if planner.position(cursor) != position.step + dropped or position.rows:
        raise StateError(f"the state is damaged: step {position.step} and {position.rows} rows do not match the rest")
    return cursor
