"""``when``: the steps and rows in which a record appears."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from resumable_data.answers.components import record_count, source_records
from resumable_data.answers.replay import Replay
from resumable_data.arguments import as_integer, as_text, optional
from resumable_data.errors import PipelineError
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import components_of

_MOST_SPANS = 10_000_000
"""A search for the next appearance gives up after so many spans: a filter may drop the record in every epoch."""


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
    state: Mapping[str, Any] | None = None,
    allow: Collection[str] = (),
    progress: bool = True,
) -> tuple[Appearance, ...]:
    """Finds the steps and rows in which a record appears; see ``BatchDataset.when``."""
    record, until = as_integer("when: record", record), optional(as_integer, "when: until", until)
    found_component = _component(batch, as_text("when: component", component))
    count = record_count(found_component)
    if record < 0 or (count is not None and record >= count):
        have = "" if count is None else f": it has {count} records, 0 to {count - 1}"
        raise PipelineError(f"when: component {component!r} has no record {record}{have}")
    appearances: list[Appearance] = []
    with (
        Replay("when", batch, state, allow, progress) as replay,
        replay.bar(None if until is None else until - replay.place.step) as bar,
    ):
        first, number, spans = replay.place.step, replay.numbers[component], 0
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
            if until is None and spans > _MOST_SPANS:
                raise PipelineError(
                    f"when: record {record} of component {component!r} is not in the steps {first} to {step}. "
                    "A filter may leave it out. To look further give a step: until=…"
                )
    return tuple(appearances)


def _component(batch: Batch, path: str) -> Any:
    components = components_of(batch.parent)
    if path not in components:
        raise PipelineError(f"when: there is no component {path!r}; there are {', '.join(map(repr, components))}")
    return components[path]
