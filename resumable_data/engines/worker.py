"""Workers that take turns: each plans every element, and reads its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from typing_extensions import override

from resumable_data.engines.engine import Engine, Planned, Resumed
from resumable_data.opaque import Cursor, Element, Plan
from resumable_data.planning.planner import Counts
from resumable_data.state import At


@dataclass(frozen=True)
class Worker:
    """One of several workers. It delivers the elements of steps ``index``, ``index + count``, and so on.

    Attributes:
        index: Its number among the workers.
        count: Number of workers.
    """

    index: int
    count: int

    def delivers(self, step: int) -> bool:
        """Returns whether it delivers the element of a step."""
        return step % self.count == self.index

    def count_before(self, step: int) -> int:
        """Counts its elements before a step.

        >>> Worker(1, 3).count_before(5)
        2
        """
        return max(0, -(-(step - self.index) // self.count))


ALONE = Worker(0, 1)
"""The only worker of a process."""


class WorkerEngine(Engine[Plan, Cursor, Element]):
    """An engine that reads the elements of one worker; the elements of other workers are None.

    Positions are those of the whole pipeline, so the state of a worker is a state of the pipeline.
    """

    def __init__(self, engine: Engine[Plan, Cursor, Element], worker: Worker) -> None:
        self._engine = engine
        self._worker = worker

    @property
    @override
    def spans_at_once(self) -> int:
        """Stretches of documents that are best read together."""
        return self._engine.spans_at_once

    @property
    @override
    def plans_without_reading(self) -> bool:
        return self._engine.plans_without_reading

    @override
    def start(self) -> Cursor:
        return self._engine.start()

    @override
    def plan(self, cursor: Cursor, step: int) -> Planned[Plan, Cursor] | None:
        """Plans the element of a step. The plan is None if another worker delivers it."""
        planned = self._engine.plan(cursor, step)
        if planned is None or self._worker.delivers(step):
            return planned
        return Planned(None, planned.after, 0, 0, planned.digest)

    @override
    def load(self, plans: Sequence[Plan]) -> Iterator[Element]:
        """Loads the worker's own elements; the others are None."""
        own = [plan for plan in plans if plan is not None]
        loaded = self._engine.load(own) if own else iter(())
        return (None if plan is None else next(loaded) for plan in plans)

    @override
    def encode(self, cursor: Cursor) -> tuple[int, dict[str, At]]:
        """Returns rows before the cursor, and integers by component path."""
        return self._engine.encode(cursor)

    @override
    def decode(self, resumed: Resumed) -> Cursor:
        return self._engine.decode(resumed)

    @override
    def skipping(self, cursor: Cursor, step: int, count: int) -> Cursor:
        """Returns the cursor that will skip ``count`` elements before that of a step."""
        return self._engine.skipping(cursor, step, count)

    @override
    def epoch(self, cursor: Cursor) -> int | None:
        """Returns the epoch of the next element, of any worker."""
        return self._engine.epoch(cursor)

    @override
    def next_epochs(self, cursor: Cursor) -> dict[str, int | None]:
        return self._engine.next_epochs(cursor)

    @override
    def whereabouts(self, cursor: Cursor) -> tuple[int, int | None]:
        """Returns rows delivered by all workers, and the epoch that has begun."""
        return self._engine.whereabouts(cursor)

    @override
    def close(self) -> None:
        """Ends background work, and drops what is kept."""
        self._engine.close()

    @override
    def counts(self, cursor: Cursor, *, ended: bool) -> dict[str, Counts]:
        """Returns what each component has delivered, by all workers."""
        return self._engine.counts(cursor, ended=ended)

    @override
    def remainder(self, cursor: Cursor, step: int, ended: bool) -> int:
        """Returns rows after the cursor of a step that will not be delivered."""
        return self._engine.remainder(cursor, step, ended)

    @override
    def cells(self, rows: int) -> int:
        """Returns the number of cells in so many rows: tokens and padding."""
        return self._engine.cells(rows)
