"""``when``: the steps and rows in which a record appears."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from resumable_data.answers.checkpoints import SavedState
from resumable_data.answers.components import record_count, source_records
from resumable_data.answers.replay import Replay
from resumable_data.arguments import as_integer, as_text, optional
from resumable_data.arrays import BoolArray
from resumable_data.errors import PipelineError
from resumable_data.packing.plan import NO_EPOCH, RowPlan
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import Component, components_of

_MOST_SPANS = 10_000_000


class Appearance(NamedTuple):
    """A place at which a record appears.

    Attributes:
        step: The step of the batch.
        row: The row of its global batch.
    """

    step: int
    row: int


def when(
    batch: Batch,
    component: str,
    record: int,
    until: int | None = None,
    state: SavedState | None = None,
    allow: Collection[str] = (),
    progress: bool = True,
    most_spans: int = _MOST_SPANS,
) -> tuple[Appearance, ...]:
    """Finds the steps and rows in which a record appears; see ``BatchDataset.when``.

    Without ``until``, it gives up after ``most_spans`` spans.
    """
    record, until = as_integer("when: record", record), optional(as_integer, "when: until", until)
    found_component = _component(batch, as_text("when: component", component))
    count = record_count(found_component)
    if record < 0 or (count is not None and record >= count):
        have = "" if count is None else f": it has {count} records, 0 to {count - 1}"
        raise PipelineError(f"when: component {component!r} has no record {record}{have}")
    if not _is_chosen(found_component, record):
        names = ", ".join(stage.name for stage in found_component.selections)
        raise PipelineError(
            f"when: record {record} of the source of {component!r} never comes: {names} leaves it out"
        )
    appearances: list[Appearance] = []
    with (
        Replay("when", batch, state, allow, progress) as replay,
        replay.bar(None if until is None else until - replay.place.step) as bar,
    ):
        first, number, spans = replay.place.step, replay.numbers[component], 0
        epochs: set[int] = set()
        if until is not None and until < first:
            raise PipelineError(f"when: until={until} is before step {first} of the state, where the search begins")
        for step, plan in replay.plans():
            if until is not None and step >= until:
                break
            bar.update()
            own = plan.reader == number
            places = np.flatnonzero(own)[source_records(found_component, plan.record[own]) == record]
            rows = np.unique(np.searchsorted(plan.rows, places, side="right") - 1)
            appearances += [Appearance(step, row) for row in rows.tolist()]
            if until is None and appearances:
                break
            spans += len(plan.record)
            if until is None:
                what = f"when: record {record} of component {component!r}"
                _give_up(epochs, plan, own, spans > most_spans, what, step)
    return tuple(appearances)


def _is_chosen(component: Component, record: int) -> bool:
    """Says whether the selections of a component leave a record in."""
    if not component.selections:
        return True

    def record_at(place: int) -> int:
        return int(component.records_at(np.array([place]))[0])

    # Selections keep the order of the records, or reverse it.
    count = component.epoch_size
    sign = 1 if record_at(0) <= record_at(count - 1) else -1
    place = bisect_left(range(count), sign * record, key=lambda place: sign * record_at(place))
    return place < count and record_at(place) == record


def _give_up(epochs: set[int], plan: RowPlan, own: BoolArray, enough: bool, what: str, step: int) -> None:
    """Ends a search without a bound that has seen enough.

    Args:
        epochs: The epochs of the component that were seen; this adds those of the plan.
        plan: The rows of a batch without the record.
        own: bool[n_spans], the spans of the record's component.
        enough: Whether the search has seen as many spans as it may.
        what: The record, for the error.
        step: The step of the batch.

    Raises:
        PipelineError: An epoch of the component was delivered whole, or many documents were planned.
    """
    if plan.epoch is not None:
        epochs.update(np.unique(plan.epoch[own]).tolist())
    if len(epochs - {NO_EPOCH}) > 2:
        raise PipelineError(
            f"{what} does not come in a whole epoch, up to step {step}: something drops it, such as a filter. Give "
            "a step to look further: until=…"
        )
    if enough:
        seen = "" if epochs else "; its component has weight 0 there, or its weight is very small"
        raise PipelineError(f"{what} does not come up to step {step}{seen}. To look further give a step: until=…")


def _component(batch: Batch, path: str) -> Component:
    components = components_of(batch.parent)
    if path not in components:
        raise PipelineError(f"when: there is no component {path!r}; there are {', '.join(map(repr, components))}")
    return components[path]
