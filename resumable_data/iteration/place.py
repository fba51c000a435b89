"""The place of an iterator, and the place of a saved state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from resumable_data.delivered import Delivered
from resumable_data.differences import Difference
from resumable_data.edits import Edit
from resumable_data.engines.engine import Resumed
from resumable_data.errors import PipelineMismatchError
from resumable_data.iteration.opened import Opened
from resumable_data.iteration.plan_ahead import After, digest_of
from resumable_data.opaque import Cursor, Element, JsonObject
from resumable_data.planning.integers import delivered_of, delivered_of_mix, is_mix
from resumable_data.run_history import RunHistory, history_of
from resumable_data.state import NOTHING_DELIVERED, Digests, Position, decode

ElementT = TypeVar("ElementT")


@dataclass(frozen=True)
class Place(Generic[ElementT]):
    """The place of an iterator. It is one value, so a state taken by another thread is always that of one position.

    Attributes:
        opened: The pipeline.
        step: Elements delivered.
        cursor: The engine's cursor after them.
        edits: Changes to the pipeline during the run, oldest first.
        digests: Digests of the batches before it, and of the next.
    """

    opened: Opened[ElementT]
    step: int
    cursor: Cursor
    edits: tuple[Edit, ...] = ()
    digests: Digests = NOTHING_DELIVERED

    def after(self, after: After) -> Place[ElementT]:
        """Returns the place after one more element."""
        digests = self.digests.after(after.delivered, after.following)
        return replace(self, step=self.step + 1, cursor=after.cursor, digests=digests)


def restored(
    present: Opened[ElementT],
    open_: Callable[[RunHistory], Opened[ElementT]],
    state: JsonObject,
    allow: Collection[str],
) -> Place[ElementT]:
    """Returns the place of a state.

    Args:
        present: The pipeline as it is open. The place is in it if the run of the state has the same history.
        open_: Opens the pipeline with another history.
        state: The state.
        allow: What may differ between the saved pipeline and the one at hand.

    Raises:
        StateError: The state is damaged, or of a version that this release cannot read.
        PipelineMismatchError: It belongs to another pipeline or to other data, beyond what is allowed.
        PipelineError: ``allow`` names a setting that can never change.
    """
    history = history_of(state)
    opened = present if history == present.history else open_(history)
    position, settings, found = decode(opened.description, state, allow)
    _refuse_used_names(position, found)
    changes = tuple(difference.to_edit(position.step, position.rows) for difference in found)
    if any(change.is_growth for change in changes):
        before = open_(history.grown(changes))
        cursor = before.engine.decode(Resumed(position, settings, changes))
        changes = _from_next_epochs(changes, before.engine.next_epochs(cursor))
        for done_with in (before, opened):
            if done_with is not present:
                done_with.close()
        opened = open_(history.grown(changes))
    cursor = opened.engine.decode(Resumed(position, settings, changes))
    counts = _counts(position)  # one object for all, which a state holds once
    changes = tuple(replace(change, counts=counts) for change in changes)
    place = Place(opened, position.step, cursor, (*position.edits, *changes), position.digests)
    if changes:
        return replace(place, digests=replace(position.digests, following=""))
    if position.digests.following and opened.engine.plans_without_reading:
        _refuse_other_batch(place, position.digests.following)
    return place


def _counts(position: Position) -> dict[str, Delivered]:
    """Returns what each component has delivered, and the rows of each mix whose documents are packed."""
    counts = {
        path: delivered_of_mix(position.at, path) if is_mix(path) else delivered_of(at)
        for path, at in position.at.items()
    }
    return {path: delivered for path, delivered in counts.items() if delivered is not None}


def _from_next_epochs(changes: Sequence[Edit], epochs: Mapping[str, int | None]) -> tuple[Edit, ...]:
    """Returns the changes, where new records come with the first epoch of which nothing is planned.

    Raises:
        PipelineMismatchError: A component with new records has no such epoch.
    """
    known: list[Edit] = []
    for change in changes:
        epoch = epochs.get(change.component) if change.is_growth and change.component is not None else None
        if change.is_growth and epoch is None:
            raise PipelineMismatchError(
                f"component {change.component!r} has {change.after} records instead of {change.before}, but no "
                "further epoch that would deliver the new ones: give it more epochs, with repeat(…) and "
                "allow={'data', 'epochs'}, or add the new records as a component of their own, with "
                "allow={'sources'}",
                (str(change),),
            )
        known.append(replace(change, epoch=epoch))
    return tuple(known)


def _refuse_other_batch(place: Place[Element], expected: str) -> None:
    """Raises PipelineMismatchError if the next batch is not the one that followed when the state was saved."""
    found = digest_of(place.opened.engine.plan(place.cursor, place.step))
    if found != expected:
        raise PipelineMismatchError(
            f"the batch of step {place.step} is not the one that followed when the state was saved: its digest was "
            f"{expected}, is {found}. No setting differs: either lengths of documents changed and no "
            "fingerprint shows it, or this release plans differently. Restore with the data and the release that "
            "saved it",
            ("the documents of the next batch",),
        )


def _refuse_used_names(position: Position, found: Sequence[Difference]) -> None:
    """Raises PipelineMismatchError if a new component has the name of one that was removed."""
    used = {edit.component for edit in position.edits if edit.kind == "component_removed"}
    for difference in found:
        if difference.kind == "component_added" and difference.component in used:
            raise PipelineMismatchError(
                f"component {difference.component!r} was part of this run before and was removed; give the new "
                "one another name",
                (str(difference),),
            )
