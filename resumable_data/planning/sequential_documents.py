"""Plans the documents of a source that can be read only in its own order."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from resumable_data.digest import canonical_json
from resumable_data.errors import StateError
from resumable_data.packing.plan import DocumentPlan
from resumable_data.planning.planner import MOST_DROPPED, Counts, DocumentPlanner, Extent, Saved
from resumable_data.sources.replay_buffer import BEGINNING, ReplayBuffer
from resumable_data.state import At


@dataclass(frozen=True)
class SequentialCursor:
    """A place in a sequential source: after ``position`` records, with the source's own state as canonical JSON."""

    position: int
    state: str


@dataclass(frozen=True)
class SequentialDocuments(DocumentPlanner[SequentialCursor]):
    """The documents of a sequential source.

    Attributes:
        buffer: The buffer that reads them.
        path: The component's path.
        reader: Its number among the pipeline's readers.
        drops: Whether documents may be dropped.
    """

    buffer: ReplayBuffer
    path: str
    reader: int
    drops: bool

    @property
    @override
    def components(self) -> Mapping[int, str]:
        return {self.reader: self.path}

    @property
    @override
    def most_dropped(self) -> int:
        return MOST_DROPPED

    @override
    def epoch(self, cursor: SequentialCursor) -> int | None:
        return None

    @property
    @override
    def dropping(self) -> Collection[int]:
        return [self.reader] if self.drops else []

    @override
    def start(self) -> SequentialCursor:
        return SequentialCursor(0, BEGINNING)

    @override
    def renewed(self, cursor: SequentialCursor) -> SequentialCursor:
        return cursor

    def take(self, cursor: SequentialCursor, count: int) -> tuple[DocumentPlan, SequentialCursor]:
        """Plans the next ``count`` documents, or the rest, and returns the cursor after them too."""
        found, state = self.buffer.advance(cursor.position, cursor.state, count)
        record = np.arange(cursor.position, cursor.position + found)
        return DocumentPlan(np.full(found, self.reader), record), SequentialCursor(cursor.position + found, state)

    @override
    def position(self, cursor: SequentialCursor) -> int:
        return cursor.position

    def finished(self, cursor: SequentialCursor) -> bool:
        """Tells whether nothing is left, which is found by trying."""
        return self.buffer.advance(cursor.position, cursor.state, 1)[0] == 0

    @override
    def extent(self, cursor: SequentialCursor) -> Extent | None:
        return None

    @override
    def continues(self, after: SequentialCursor, saved: Saved) -> bool:
        return True

    @override
    def next_epochs(self, cursor: SequentialCursor) -> dict[str, int | None]:
        return {}

    @override
    def counts(self, cursor: SequentialCursor) -> dict[str, Counts]:
        return {self.path: Counts(documents=cursor.position)}

    @override
    def encode(self, cursor: SequentialCursor) -> dict[str, At]:
        return {self.path: (cursor.position, cursor.state)}

    @override
    def decode(self, saved: Saved) -> SequentialCursor:
        found = saved.at.get(self.path, ())
        if len(found) != 2 or type(found[0]) is not int or found[0] < 0 or not isinstance(found[1], str):
            raise StateError(f"component {self.path!r}: {found} is not a position of a stream")
        if not _is_state(found[0], found[1]):
            raise StateError(f"component {self.path!r}: {found[1]!r} is not a state of its source at {found[0]}")
        return SequentialCursor(found[0], found[1])


def _is_state(position: int, state: str) -> bool:
    """Tells whether a text can be the state of a source after ``position`` records."""
    try:
        return state == canonical_json(json.loads(state)) and (position == 0 or state != BEGINNING)
    except (RecursionError, ValueError):
        return False
