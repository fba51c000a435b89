"""What a run has decided that its pipeline does not say: logical shards, and how its data grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from resumable_data.differences import stages_by_name
from resumable_data.edits import Edit
from resumable_data.errors import StateError
from resumable_data.state import split
from resumable_data.state_form import MOST

Growth = tuple[tuple[int, int], ...]
"""Pairs (until, records), oldest first: the epochs before ``until`` have so many records."""

NOT_YET = MOST
"""As ``until``: the new records have no epoch yet."""


@dataclass(frozen=True)
class RunHistory:
    """The history of a run, as far as its pipeline has to be opened with it.

    Attributes:
        shards: The logical shards; None where no document was measured.
        growth: By component path, how its records grew. Components whose data never grew are not in it.
    """

    shards: int | None = None
    growth: Mapping[str, Growth] = field(default_factory=dict[str, Growth])

    def grown(self, edits: Sequence[Edit]) -> RunHistory:
        """Returns the history with further edits, of which those of other kinds say nothing here.

        >>> from resumable_data.edits import Edit
        >>> more = Edit(kind="setting", component="web", stage="source", setting="records", before=9, after=12,
        ...     step=3, rows=24, epoch=2)
        >>> RunHistory(4).grown([more]).growth
        {'web': ((2, 9),)}
        """
        growth = dict(self.growth)
        for edit in edits:
            if edit.is_growth:
                until = NOT_YET if edit.epoch is None else edit.epoch
                path = cast(str, edit.component)
                growth[path] = (*growth.get(path, ()), (until, cast(int, edit.before)))
        return replace(self, growth=growth)


NEW_RUN = RunHistory()


def history_of(state: object) -> RunHistory:
    """Returns the history of the run that a state is of.

    Raises:
        StateError: The state is damaged or incomplete, or another release's.
    """
    header, position = split(state)
    for edit in position.edits:
        if edit.is_growth and edit.component in header["components"]:
            numbers = header["components"][edit.component]
            records = stages_by_name(header["stages"], numbers).get("source", {}).get("records", 0)
            if cast(int, edit.after) > records:
                raise StateError(f"the state is damaged: {edit}, but the source has {records} records")
    batch = stages_by_name(header["stages"], header["shared"]).get("batch", {})
    return RunHistory(cast("int | None", batch.get("shards"))).grown(position.edits)
