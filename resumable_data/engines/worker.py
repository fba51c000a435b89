"""Workers that take turns: each plans every element, and reads its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resumable_data.engines.engine import Engine, Planned, Resumed
from resumable_data.opaque import Cursor, Element, Plan
from resumable_data.planning.planner import Counts
from resumable_data.state import At


@dataclass(frozen=True)
class Worker:
    """Which elements a worker delivers: those of steps ``index``, ``index + count``, and so on.

    Attributes:
        index: Its number among the workers.
        count: Number of workers.
    """

    index: int
    count: int

    def delivers(self, step: int) -> bool:
        """Whether the element of a step is its own."""
        return step % self.count == self.index

    def count_before(self, step: int) -> int:
        """How many of its elements come before a step.

        >>> Worker(1, 3).count_before(5)
        2
        """
        return max(0, -(-(step - self.index) // self.count))


ALONE = Worker(0, 1)
"""The worker of a process that has no others."""


class WorkerEngine:
    """An engine whose elements are None where another worker delivers them; of these nothing is read.

    Positions are those of the whole pipeline, so that the state of a worker is a state of the pipeline.
    """

    def __init__(self, engine: Engine[Plan, Cursor, Element], worker: Worker) -> None:
        self._engine = engine
        self._worker = worker

    @property
    def spans_at_once(self) -> int:
        """Stretches of documents that are best read together."""
        return self._engine.spans_at_once

    @property
    def plans_without_reading(self) -> bool:
        """Whether the elements are, of all workers."""
        return self._engine.plans_without_reading

    def start(self) -> Cursor:
        """The cursor before the first element."""
        return self._engine.start()

    def plan(self, cursor: Cursor, step: int) -> Planned[Plan, Cursor] | None:
        """The element of a step, without what to load where it is another worker's."""
        planned = self._engine.plan(cursor, step)
        if planned is None or self._worker.delivers(step):
            return planned
        return Planned(None, planned.after, 0, 0, planned.digest)

    def load(self, plans: Sequence[Plan]) -> Iterator[Element]:
        """The worker's own elements, and None for the others."""
        own = [plan for plan in plans if plan is not None]
        loaded = self._engine.load(own) if own else iter(())
        return (None if plan is None else next(loaded) for plan in plans)

    def encode(self, cursor: Cursor) -> tuple[int, dict[str, At]]:
        """Rows before the cursor, and integers by component path."""
        return self._engine.encode(cursor)

    def decode(self, resumed: Resumed) -> Cursor:
        """The cursor of a state."""
        return self._engine.decode(resumed)

    def skipping(self, cursor: Cursor, step: int, count: int) -> Cursor:
        """The cursor that will skip ``count`` elements before that of a step."""
        return self._engine.skipping(cursor, step, count)

    def epoch(self, cursor: Cursor) -> int | None:
        """The epoch of the next element, of any worker."""
        return self._engine.epoch(cursor)

    def whereabouts(self, cursor: Cursor) -> tuple[int, int | None]:
        """Rows delivered by all workers, and the epoch that has begun."""
        return self._engine.whereabouts(cursor)

    def close(self) -> None:
        """Ends what runs in the background, and drops what is kept."""
        self._engine.close()

    def counts(self, cursor: Cursor, *, ended: bool) -> dict[str, Counts]:
        """What each component has delivered, by all workers."""
        return self._engine.counts(cursor, ended=ended)

    def remainder(self, cursor: Cursor, step: int, ended: bool) -> int:
        """Rows after the cursor of a step that will not be delivered."""
        return self._engine.remainder(cursor, step, ended)

    def cells(self, rows: int) -> int:
        """Cells, tokens and padding, of so many rows."""
        return self._engine.cells(rows)
