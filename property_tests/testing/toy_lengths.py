"""Planners without sources: a test writes down the lengths of documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from resumable_data.order.epoch_sizes import EpochSizes
from resumable_data.packing.plan import DocumentLengths, DocumentPlan, RowPlan
from resumable_data.planning.documents import DocumentStream, Order
from resumable_data.planning.planner import RowPlanner, Saved
from resumable_data.state import At


class ToyLengths:
    """Lengths by reader and record. It notes its calls.

    Args:
        tokens: The tokens of each record, by reader; -1 for a record that is dropped.
        known: Whether lengths are known without reading.
        run_ahead: Runs a task in the background; None runs no task.

    Attributes:
        measured: For each call, the records of each window with its shard.
        groups: The number of groups reported complete.
    """

    def __init__(
        self,
        tokens: Sequence[Sequence[int]],
        *,
        known: bool = True,
        run_ahead: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.known = known
        self.measured: list[list[tuple[int, list[int]]]] = []
        self.groups = 0
        self._tokens = [np.array(of_reader, np.int64) for of_reader in tokens]
        self._run_ahead = run_ahead

    def run_ahead(self, task: Callable[[], None]) -> None:
        """Runs a task as the test wants, or not at all."""
        if self._run_ahead is not None:
            self._run_ahead(task)

    def measure(self, windows: Sequence[DocumentPlan], shards: Sequence[int]) -> Sequence[DocumentLengths]:
        """Returns the lengths of each window's documents."""
        self.measured.append([(shard, window.record.tolist()) for shard, window in zip(shards, windows, strict=True)])
        return [self._lengths(window) for window in windows]

    def expect(self, rows: RowPlan) -> None:
        """Counts groups."""
        self.groups += 1

    def _lengths(self, window: DocumentPlan) -> DocumentLengths:
        found = [
            self._tokens[reader][record]
            for reader, record in zip(window.reader.tolist(), window.record.tolist(), strict=True)
        ]
        return DocumentLengths(np.array(found, np.int64))


def in_order(epoch: int, positions: np.ndarray) -> np.ndarray:
    """Keeps the records of every epoch in their own order."""
    return positions


def stream(
    size: int,
    epochs: int | None = 1,
    *,
    path: str = "web",
    reader: int = 0,
    drops: bool = False,
    endless: bool = False,
    order: Order = in_order,
) -> DocumentStream:
    """Makes the documents of a component with a number of records."""
    return DocumentStream(path, reader, EpochSizes(size), epochs, order, drops=drops, endless=endless)


def saved(at: dict[str, At], rows: int = 0, epochs_before: dict[str, int] | None = None) -> Saved:
    """Makes a saved position in which only epochs were edited."""
    return Saved(at, rows, {}, (), int, int, epochs_before or {})


def records_of(plan: RowPlan) -> list[list[int]]:
    """Returns the records of each row, one for each span."""
    records = plan.record.tolist()
    return [records[plan.rows[row] : plan.rows[row + 1]] for row in range(len(plan))]


def ask_for_states(planner: RowPlanner[Any], cursors: Sequence[Any]) -> None:
    """Asks a planner all that a state and its reports ask of a cursor."""
    for cursor in cursors:
        planner.encode(cursor)
        planner.counts(cursor, ended=False)
        planner.extent(cursor)
        planner.next_epochs(cursor)
