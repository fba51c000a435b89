"""``simulate``: plans a run before it begins, and counts what is in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import gcd

import numpy as np

from resumable_data.answers.checkpoints import SavedState
from resumable_data.answers.components import record_count
from resumable_data.answers.replay import Replay
from resumable_data.answers.simulation import OverTime, Ramp, SimulatedComponent, Simulation
from resumable_data.arguments import as_integer, optional
from resumable_data.arrays import Int64Array
from resumable_data.digest import canonical_json
from resumable_data.errors import PipelineError
from resumable_data.iteration.place import Place
from resumable_data.opaque import Element
from resumable_data.packing.plan import RowPlan
from resumable_data.planning.planner import Counts
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import Component, components_of
from resumable_data.state import Position, encode

_STRETCHES = 200


def simulate(
    batch: Batch,
    steps: int | None,
    state: SavedState | None = None,
    allow: Collection[str] = (),
    progress: bool = True,
) -> Simulation:
    """Plans a run and counts what is in it; see ``BatchDataset.simulate``."""
    steps = optional(as_integer, "simulate: steps", steps)
    if steps is not None and steps < 1:
        raise PipelineError(f"simulate: steps={steps} must be at least 1")
    with Replay("simulate", batch, state, allow, progress) as replay, replay.bar(steps) as bar:
        first, place = replay.place.step, replay.place
        if steps is None and replay.engine.rows.extent(place.cursor.parent) is None:
            raise PipelineError("simulate: the data has no known end; give the number of steps: steps=…")
        found = _Found(len(replay.numbers), batch.parent.format.length)
        onward = replay.onward()
        for rows, after in islice(onward, steps):
            found.add(rows)
            place = after
            bar.update()
        ended = next(onward, None) is None
        return _simulation(batch, replay, found, first, place, steps, ended)


@dataclass
class _Found:
    """The counts so far. When there are too many stretches, they double in length."""

    components: int
    row_length: int
    steps: int = 0
    rows: int = 0
    a_stretch: int = 1
    cells: list[int] = field(default_factory=list[int])
    tokens: list[Int64Array] = field(default_factory=list[Int64Array])
    documents: list[Int64Array] = field(default_factory=list[Int64Array])
    sizes: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    documents_a_row: Int64Array = field(default_factory=lambda: np.zeros(1, np.int64))
    pieces: int = 0

    def add(self, plan: RowPlan) -> None:
        """Counts a batch."""
        if self.steps % self.a_stretch == 0:
            if len(self.cells) == _STRETCHES:
                self._double()
            self.cells.append(0)
            self.tokens.append(np.zeros(self.components, np.int64))
            self.documents.append(np.zeros(self.components, np.int64))
        begins = plan.offset == 0
        self.cells[-1] += len(plan) * self.row_length
        self.tokens[-1] += _sums(plan.reader, plan.length, self.components)
        self.documents[-1] += np.bincount(plan.reader[begins], minlength=self.components)
        self.pieces += int(np.count_nonzero(begins & (plan.length < plan.document_length)))
        counts = np.bincount(np.diff(plan.rows), minlength=len(self.documents_a_row))
        counts[: len(self.documents_a_row)] += self.documents_a_row
        self.documents_a_row = counts
        if not self.sizes or self.sizes[-1][1] != len(plan):
            self.sizes.append((self.steps, len(plan)))
        self.steps, self.rows = self.steps + 1, self.rows + len(plan)

    def _double(self) -> None:
        """Joins the stretches in pairs."""
        self.a_stretch *= 2
        self.cells = [sum(self.cells[i : i + 2]) for i in range(0, len(self.cells), 2)]
        for name in ("tokens", "documents"):
            counted = getattr(self, name)
            setattr(self, name, [sum(counted[i : i + 2]) for i in range(0, len(counted), 2)])


def _sums(numbers: Int64Array, values: Int64Array, count: int) -> Int64Array:
    """Sums the values of each number: int64[count].

    >>> _sums(np.array([0, 2, 0]), np.array([5, 1, 2]), 3).tolist()
    [7, 0, 1]
    """
    sums = np.zeros(count, np.int64)
    np.add.at(sums, numbers, values)
    return sums


def _simulation(
    batch: Batch, replay: Replay, found: _Found, first: int, place: Place[Element], asked: int | None, ended: bool
) -> Simulation:
    engine = replay.engine
    components, numbers = components_of(batch.parent), replay.numbers
    tokens, documents = (
        sum(counted, np.zeros(found.components, np.int64)) for counted in (found.tokens, found.documents)
    )
    counts = engine.counts(place.cursor, ended=ended)
    before = engine.counts(replay.place.cursor, ended=False)
    cells, all_tokens, all_documents = sum(found.cells), int(tokens.sum()), int(documents.sum())
    rows, at = engine.encode(place.cursor)
    state = encode(replay.description, Position(place.step, rows, at, place.edits, place.digests))
    divisor = gcd(*(size for _, size in found.sizes)) if found.sizes else gcd(*batch.schedule.sizes)
    return Simulation(
        first=first,
        steps=found.steps,
        asked=asked,
        ended=ended,
        rows=found.rows,
        row_length=found.row_length,
        tokens=all_tokens,
        padding=1 - all_tokens / cells if cells else 0.0,
        split=found.pieces / all_documents if all_documents else 0.0,
        documents_a_row=_quantiles(found.documents_a_row),
        left_over=engine.remainder(place.cursor, place.step, True) if ended else 0,
        ramps=tuple(Ramp(first + step, size) for step, size in found.sizes),
        components=tuple(
            _component(
                path,
                components[path],
                counts[path],
                before[path],
                int(documents[numbers[path]]),
                int(tokens[numbers[path]]),
                all_documents,
                all_tokens,
            )
            for path in sorted(components)
        ),
        processes=tuple(count for count in range(1, divisor + 1) if divisor % count == 0),
        state_bytes=len(canonical_json(state)),
        length_bytes=8 * sum(record_count(one) or 0 for one in components.values()) if engine.lengths_known else 0,
        kept_bytes=0 if engine.lengths_known else batch.sharing.kept_bytes,
        over_time=OverTime(
            steps=tuple(first + found.a_stretch * number for number in range(len(found.cells))),
            padding=tuple(1 - int(t.sum()) / c for t, c in zip(found.tokens, found.cells, strict=True)),
            tokens={path: tuple(int(t[numbers[path]]) for t in found.tokens) for path in sorted(components)},
            documents={path: tuple(int(d[numbers[path]]) for d in found.documents) for path in sorted(components)},
        ),
    )


def _component(
    path: str,
    component: Component,
    counts: Counts,
    before: Counts,
    documents: int,
    tokens: int,
    all_documents: int,
    all_tokens: int,
) -> SimulatedComponent:
    return SimulatedComponent(
        path=path,
        records=record_count(component),
        epochs=counts.epochs - before.epochs,
        documents=documents,
        tokens=tokens,
        truncated=counts.truncated - before.truncated,
        dropped=counts.dropped - before.dropped,
        document_share=documents / all_documents if all_documents else 0.0,
        token_share=tokens / all_tokens if all_tokens else 0.0,
        weight=counts.target,
    )


def _quantiles(rows: Int64Array) -> Mapping[str, int]:
    """Returns the quantiles of the documents in a row.

    Args:
        rows: int64[n], the number of rows with 0, 1, 2, … documents.

    >>> _quantiles(np.array([0, 1, 97, 1, 1]))
    {'least': 1, 'median': 2, '99 %': 3, 'most': 4}
    """
    below = np.cumsum(rows)
    total = int(below[-1])
    if not total:
        return {"least": 0, "median": 0, "99 %": 0, "most": 0}
    places = {"least": 1, "median": -(-total // 2), "99 %": -(-99 * total // 100), "most": total}
    return {name: int(np.searchsorted(below, place)) for name, place in places.items()}
