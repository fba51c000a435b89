"""Where a move leads: pure functions from a place to another, which read nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TypeVar

from resumable_data.edits import MOST_SKIPPED, Edit
from resumable_data.errors import PipelineError
from resumable_data.iteration.place import Place
from resumable_data.iteration.plan_ahead import plan_one_by_one

ElementT = TypeVar("ElementT")


def sought(first: Place[ElementT], step: int) -> Place[ElementT]:
    """The place before an element, found by planning all elements before it.

    Args:
        first: The place before the first element.
        step: The index of the element.

    Raises:
        PipelineError: There are fewer elements, or planning would read documents, whose lengths are not known.
    """
    engine = first.opened.engine
    if not engine.plans_without_reading:
        raise PipelineError(
            "seek: lengths of documents are known only by reading, so that all before the step would be read: "
            "restore a state of that step instead"
        )
    place = first
    for planned in islice(plan_one_by_one(engine, place.cursor, 0), step):
        place = place.after(planned.after)
    if place.step < step:
        raise PipelineError(f"seek: there is no step {step}: the data ends after {place.step} elements")
    return place


def skipping(place: Place[ElementT], count: int, at: int | None) -> Place[ElementT] | None:
    """The place from which batches will be skipped; None if that skip is recorded already.

    Args:
        place: Where the run is.
        count: How many batches.
        at: Before the batch of which step; None for the next.

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
    """How many elements begin in an epoch from a place on; None if finding out would read documents."""
    engine = place.opened.engine
    if not engine.plans_without_reading:
        return None
    cursor, step = place.cursor, place.step
    while engine.epoch(cursor) == epoch and (planned := engine.plan(cursor, step)) is not None:
        cursor, step = planned.after, step + 1
    return step - place.step
