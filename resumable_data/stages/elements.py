"""Engines of pipelines that end before ``batch``: single rows, and single documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from resumable_data.batch import LLMBatch
from resumable_data.packing.plan import DocumentPlan, RowPlan, concatenate
from resumable_data.stages.batch import make_batch
from resumable_data.stages.iterator import Planned
from resumable_data.stages.read import read_documents, read_spans
from resumable_data.stages.stage import At, Counts, DocumentPlanner, DocumentReader, RowFormat, RowPlanner


class RowEngine:
    """Elements are rows: an ``LLMBatch`` whose fields are int32[length]."""

    def __init__(
        self, planner: RowPlanner[Any], readers: Sequence[DocumentReader], row_format: RowFormat
    ) -> None:
        self._planner = planner
        self._readers = readers
        self._format = row_format

    def start(self) -> Any:
        """The cursor in front of the first row."""
        return self._planner.start()

    def plan(self, cursor: Any) -> Planned[RowPlan, Any] | None:
        """The next row."""
        row, behind = self._planner.take(cursor, 1)
        return Planned(row, behind, len(row.record), int(row.length.sum())) if len(row) else None

    def load(self, plans: Sequence[RowPlan]) -> Iterator[LLMBatch]:
        """The planned rows, read together."""
        together = concatenate(plans)
        return iter(make_batch(LLMBatch, together, *read_spans(self._readers, together), self._format))

    def encode(self, cursor: Any) -> tuple[int, dict[str, At]]:
        """Rows delivered, and the components' integers."""
        return sum(counts.rows for counts in self.counts(cursor).values()), self._planner.encode(cursor)

    def decode(self, rows: int, at: Mapping[str, At]) -> Any:
        """The cursor that ``encode`` gave."""
        return self._planner.decode(at)

    def counts(self, cursor: Any) -> dict[str, Counts]:
        """What each component has delivered."""
        return self._planner.counts(cursor)

    def remainder(self, cursor: Any) -> int:
        """None is ever left."""
        return 0

    def cells(self, rows: int) -> int:
        """Cells of so many rows."""
        return rows * self._format.length


class DocumentEngine:
    """Elements are documents, as the source and the maps make them."""

    def __init__(self, planner: DocumentPlanner[Any], readers: Sequence[DocumentReader]) -> None:
        self._planner = planner
        self._readers = readers

    def start(self) -> Any:
        """The cursor in front of the first document."""
        return self._planner.start()

    def plan(self, cursor: Any) -> Planned[DocumentPlan, Any] | None:
        """The next document."""
        document, behind = self._planner.take(cursor, 1)
        return Planned(document, behind, 1, int(document.length.sum())) if len(document) else None

    def load(self, plans: Sequence[DocumentPlan]) -> Iterator[Any]:
        """The planned documents, read together."""
        return iter(read_documents(self._readers, _together(plans)))

    def encode(self, cursor: Any) -> tuple[int, dict[str, At]]:
        """No rows, and the components' integers."""
        return 0, self._planner.encode(cursor)

    def decode(self, rows: int, at: Mapping[str, At]) -> Any:
        """The cursor that ``encode`` gave."""
        return self._planner.decode(at)

    def counts(self, cursor: Any) -> dict[str, Counts]:
        """Documents delivered, by component; their tokens are not counted."""
        documents, epoch_size = self._planner.position(cursor), self._planner.epoch_size
        epochs = documents / epoch_size if epoch_size else None
        return {path: Counts(0, documents, 0, 0, epochs) for path in self._planner.encode(cursor)}

    def remainder(self, cursor: Any) -> int:
        """None is ever left."""
        return 0

    def cells(self, rows: int) -> int:
        """Documents have no cells."""
        return 0


def _together(plans: Sequence[DocumentPlan]) -> DocumentPlan:
    return DocumentPlan(
        np.concatenate([plan.reader for plan in plans]),
        np.concatenate([plan.record for plan in plans]),
        np.concatenate([plan.length for plan in plans]),
    )
