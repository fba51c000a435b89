"""Moves of an iterator: pure functions from one place to another, which do not read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar, cast

from resumable_data.edits import MOST_SKIPPED, Edit
from resumable_data.engines.engine import Engine
from resumable_data.errors import PipelineError
from resumable_data.iteration.place import Place
from resumable_data.iteration.plan_ahead import plan_one_by_one
from resumable_data.opaque import Cursor, Plan

ElementT = TypeVar("ElementT")


def sought(first: Place[ElementT], step: int) -> Place[ElementT]:
    """Finds the place before an element by planning all elements before it.

    Args:
        first: The place before the first element.
        step: The index of the element.

    Raises:
        PipelineError: There are fewer elements, or planning would read documents because lengths are not known.
    """
    engine = first.opened.engine
    if not engine.plans_without_reading:
        raise PipelineError(
            "seek: lengths of documents are known only by reading, so seek would read all documents before the "
            "step: restore a state of that step instead"
        )
    place = first
    for planned in islice(plan_one_by_one(engine, place.cursor, 0), step):
        place = place.after(planned.after)
    if place.step < step:
        raise PipelineError(f"seek: there is no step {step}: the data ends after {place.step} elements")
    return place


def skipping(place: Place[ElementT], count: int, at: int | None) -> Place[ElementT] | None:
    """Returns the place with a skip added; None if that skip is recorded already.

    Args:
        place: The place of the run.
        count: Number of batches to skip.
        at: The step before which to skip; None for the next.

    Raises:
        PipelineError: The skip is impossible there.
    """
    step = place.step if at is None else at
    recorded = [edit.after for edit in place.edits if edit.kind == "skip" and edit.step == step]
    if recorded == [count]:
        return None
    if recorded:
        raise PipelineError(
            f"skip: {count} batches before step {step}, but a skip of {recorded[0]} is recorded there. Skip "
            "more before a later step"
        )
    if not 1 <= count <= MOST_SKIPPED:
        raise PipelineError(f"skip: {count} batches; one skip leaves out 1 to {MOST_SKIPPED}")
    if step < place.step:
        raise PipelineError(f"skip: {count} batches before step {step}, but {place.step} are delivered")
    cursor = place.opened.engine.skipping(place.cursor, step, count)
    rows, _ = place.opened.engine.encode(place.cursor)
    edit = Edit(kind="skip", after=count, step=step, rows=rows)
    digests = replace(place.digests, following="") if step == place.step else place.digests
    return replace(place, cursor=cursor, edits=(*place.edits, edit), digests=digests)


def elements_left(place: Place[ElementT], epoch: int) -> int | None:
    """Counts the elements from a place on that begin in an epoch; None if that would read documents."""
    engine = place.opened.engine
    if not engine.plans_without_reading:
        return None
    cursor, step = place.cursor, place.step
    while engine.epoch(cursor) == epoch and (planned := engine.plan(cursor, step)) is not None:
        cursor, step = planned.after, step + 1
    return step - place.step


def cells_of(engine: Engine[Plan, Cursor, ElementT], rows: int, edits: Sequence[Edit]) -> int:
    """Counts the cells of the rows that a run has delivered: tokens and padding.

    Args:
        engine: The engine, which knows the present length of rows.
        rows: Rows delivered.
        edits: The edits of the run, of which some may have changed the length.
    """
    cells = first = 0
    for edit in edits:
        if edit.is_row_length:
            cells, first = cells + (edit.rows - first) * cast(int, edit.before), edit.rows
    return cells + engine.cells(rows - first)
