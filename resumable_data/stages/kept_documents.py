"""The engine of pipelines that end with documents, where some of them are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from resumable_data.errors import RecordError, ResumableDataError, SourceError
from resumable_data.packing.plan import DocumentPlan, concatenate_documents
from resumable_data.planning.planner import Counts, DocumentPlanner, checked_integers
from resumable_data.planning.shards import ShardedAt
from resumable_data.planning.windowed_rows import most_empty, no_document
from resumable_data.reading.read import read_documents
from resumable_data.reading.reader import Reader
from resumable_data.stages.elements import DocumentEngine, ElementEngine, decoded
from resumable_data.stages.engine import Planned, Resumed

_READ_AT_ONCE = 256


@dataclass(frozen=True)
class KeptCursor:
    """Where the documents that are kept are.

    Attributes:
        documents: The cursor among all documents, behind the last that was delivered.
        dropped: Documents in front of it that were left out, of each component that may leave some out.
    """

    documents: Any
    dropped: tuple[int, ...]


@dataclass(frozen=True)
class _Read:
    """A document, kept or not, with its reader and the cursor behind it."""

    reader: int
    document: Any
    kept: bool
    behind: Any


class KeptDocumentEngine(ElementEngine[DocumentPlanner[Any]]):
    """Elements are the documents that no stage left out.

    Which these are shows only when they are read, so that planning reads, hundreds at a time.
    """

    def __init__(self, planner: DocumentPlanner[Any], readers: Sequence[Reader]) -> None:
        super().__init__(planner, readers)
        self._dropping = tuple(planner.dropping)
        self._read: dict[Any, _Read] = {}

    def start(self) -> KeptCursor:
        """The cursor in front of the first document."""
        return KeptCursor(self._planner.start(), (0,) * len(self._dropping))

    def plan(self, cursor: KeptCursor, step: int) -> Planned[Any, KeptCursor] | None:
        """The next document that is kept, which is its own plan."""
        _, found = self._next(cursor)
        return None if found is None else Planned(found[0], found[1], 1, 0)

    def load(self, plans: Sequence[Any]) -> Iterator[Any]:
        """The documents, which are read already."""
        return iter(plans)

    def encode(self, cursor: KeptCursor) -> tuple[int, ShardedAt]:
        """No rows; and the components' integers, behind them the number of documents left out where some may be."""
        at = self._planner.encode(cursor.documents)
        for reader, dropped in zip(self._dropping, cursor.dropped, strict=True):
            path = self._planner.components[reader]
            at[path] = (*at[path], dropped)
        return 0, {path: (own,) for path, own in at.items()}

    def decode(self, resumed: Resumed) -> KeptCursor:
        """The cursor of a state."""
        at = resumed.at(0, 1)
        dropped: list[int] = []
        for reader in self._dropping:
            path = self._planner.components[reader]
            # A component that was added since has left nothing out.
            given = at.get(path)
            if given is not None:
                at[path] = given[:-1]
            dropped += (0,) if given is None else checked_integers({path: given[-1:]}, path, 1)
        return KeptCursor(decoded(self._planner, resumed, at, sum(dropped)), tuple(dropped))

    def counts(self, cursor: KeptCursor) -> dict[str, Counts]:
        """Documents delivered, and those left out up to the next; their tokens are not counted."""
        with suppress(ResumableDataError):  # Whoever asks for the next document will be told.
            cursor, _ = self._next(cursor)
        counted = self._planner.counts(cursor.documents)
        for reader, dropped in zip(self._dropping, cursor.dropped, strict=True):
            path = self._planner.components[reader]
            counts = counted[path]
            counted[path] = replace(counts, documents=counts.documents - dropped, dropped=dropped)
        return counted

    def cells(self, rows: int) -> int:
        """Documents have no cells."""
        return 0

    def _next(self, cursor: KeptCursor) -> tuple[KeptCursor, tuple[Any, KeptCursor] | None]:
        """The cursor in front of the next document that is kept; and that one with the cursor behind it, if any.

        Raises:
            SourceError: No document of a whole epoch is kept.
        """
        passed, most = 0, most_empty(self._planner, 1)
        while passed <= most:
            found = self._document(cursor.documents)
            if found is None:
                return cursor, None
            if found.kept:
                return cursor, (found.document, KeptCursor(found.behind, cursor.dropped))
            counted = zip(self._dropping, cursor.dropped, strict=True)
            cursor = KeptCursor(found.behind, tuple(dropped + (own == found.reader) for own, dropped in counted))
            passed += 1
        raise SourceError(no_document(", ".join(self._planner.components.values()), passed, passed))

    def _document(self, cursor: Any) -> _Read | None:
        """The document at a cursor, kept or not, or None at the end; those that follow are read with it."""
        read = self._read
        if cursor not in read:
            # Another thread that plans has its own dictionary at hand.
            read = self._read = self._read_from(cursor)
        return read.get(cursor)

    def _read_from(self, cursor: Any) -> dict[Any, _Read]:
        """Documents from a cursor on, each by the cursor in front of it."""
        cursors, plans = [cursor], list[DocumentPlan]()
        for _ in range(_READ_AT_ONCE):
            plan, behind = self._planner.take(cursors[-1], 1)
            if not len(plan):
                break
            plans.append(plan)
            cursors.append(behind)
        try:
            documents = read_documents(self._readers, concatenate_documents(plans))
        except RecordError:
            # One of them is bad; those in front of it can still be had.
            documents = read_documents(self._readers, plans[0])
        return {
            cursors[i]: _Read(int(plans[i].reader[0]), document, kept, cursors[i + 1])
            for i, (document, kept) in enumerate(zip(documents, documents.kept.tolist(), strict=True))
        }


def document_engine(planner: DocumentPlanner[Any], readers: Sequence[Reader]) -> DocumentEngine | KeptDocumentEngine:
    """The engine of documents: one that reads in order to plan only where some of them may be left out."""
    return KeptDocumentEngine(planner, readers) if planner.dropping else DocumentEngine(planner, readers)
