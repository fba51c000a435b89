"""The engine of pipelines that end with documents and may drop some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from typing_extensions import override

from resumable_data.engines.elements import DocumentEngine, ElementEngine, decode_cursor, pace_of, read_at_pace
from resumable_data.engines.engine import Planned, Resumed
from resumable_data.errors import ResumableDataError, SourceError
from resumable_data.opaque import Cursor, Document, Plan
from resumable_data.packing.plan import DocumentPlan
from resumable_data.planning import integers
from resumable_data.planning.integers import take_last
from resumable_data.planning.packed_rows import name_no_document
from resumable_data.planning.planner import Counts, DocumentPlanner
from resumable_data.reading.reader import Reader
from resumable_data.state import At


@dataclass(frozen=True)
class FilteredCursor:
    """A position among the documents that are not dropped.

    Attributes:
        documents: The cursor among all documents, after the last that was delivered.
        dropped: Number of dropped documents before it, for each component that may drop some.
    """

    documents: Cursor
    dropped: tuple[int, ...]


@dataclass(frozen=True)
class _Read:
    """A document, dropped or not, with its reader and the cursor after it."""

    reader: int
    document: Document
    kept: bool
    after: Cursor


class FilteredDocumentEngine(ElementEngine[DocumentPlanner[Cursor]]):
    """Elements are the documents that no stage dropped.

    Only reading shows which these are. So planning reads, many documents at a time.
    """

    def __init__(self, planner: DocumentPlanner[Cursor], readers: Sequence[Reader]) -> None:
        super().__init__(planner, readers)
        self._dropping = tuple(planner.dropping)
        self._read: dict[Cursor, _Read] = {}
        self._pace = pace_of(planner, readers)

    @property
    @override
    def spans_at_once(self) -> int:
        """One: planning a document reads it."""
        return 1

    @override
    def start(self) -> FilteredCursor:
        return FilteredCursor(self._planner.start(), (0,) * len(self._dropping))

    @override
    def plan(self, cursor: FilteredCursor, step: int) -> Planned[Plan, FilteredCursor] | None:
        """Plans the next document that is kept, which is its own plan."""
        _, found = self._next(cursor)
        return None if found is None else Planned(found[0], found[1], 1, 0)

    @override
    def load(self, plans: Sequence[Plan]) -> Iterator[Document]:
        return iter(plans)

    @override
    def encode(self, cursor: FilteredCursor) -> tuple[int, dict[str, At]]:
        """Returns 0 rows, and the components' integers, with the number of dropped documents last if some may be."""
        at = self._planner.encode(cursor.documents)
        for reader, dropped in zip(self._dropping, cursor.dropped, strict=True):
            path = self._planner.components[reader]
            at[path] = (*at[path], dropped)
        return 0, at

    @override
    def decode(self, resumed: Resumed) -> FilteredCursor:
        at = dict(resumed.position.at)
        dropped: list[int] = []
        for reader in self._dropping:
            path = self._planner.components[reader]
            # A component that was added since has not dropped any.
            dropped += take_last(at, path, integers.DROPPED) if path in at else (0,)
        without = replace(resumed, position=replace(resumed.position, at=at))
        return FilteredCursor(decode_cursor(self._planner, without, sum(dropped)), tuple(dropped))

    @override
    def epoch(self, cursor: FilteredCursor) -> int | None:
        """Returns the epoch of the next document, if there is one component."""
        return self._planner.epoch(cursor.documents)

    @override
    def next_epochs(self, cursor: FilteredCursor) -> dict[str, int | None]:
        return self._planner.next_epochs(cursor.documents)

    @override
    def whereabouts(self, cursor: FilteredCursor) -> tuple[int, int | None]:
        """Returns 0 rows, and the epoch of the next document, dropped or not."""
        return 0, self._planner.epoch(cursor.documents)

    @override
    def counts(self, cursor: FilteredCursor, *, ended: bool) -> dict[str, Counts]:
        """Counts documents delivered, and those dropped before the next; does not count tokens."""
        with suppress(ResumableDataError):  # The next call of plan raises the error.
            cursor, _ = self._next(cursor)
        counted = self._planner.counts(cursor.documents)
        for reader, dropped in zip(self._dropping, cursor.dropped, strict=True):
            path = self._planner.components[reader]
            counts = counted[path]
            counted[path] = replace(counts, documents=counts.documents - dropped, dropped=dropped)
        return counted

    @override
    def cells(self, rows: int) -> int:
        return 0

    def _next(self, cursor: FilteredCursor) -> tuple[FilteredCursor, tuple[Document, FilteredCursor] | None]:
        """Returns the cursor before the next kept document, and that document with the cursor after it, if any.

        Raises:
            SourceError: No document of a whole epoch is kept.
        """
        passed = 0
        while passed <= self._planner.most_dropped:
            found = self._document(cursor.documents)
            if found is None:
                return cursor, None
            if found.kept:
                return cursor, (found.document, FilteredCursor(found.after, cursor.dropped))
            counted = zip(self._dropping, cursor.dropped, strict=True)
            cursor = FilteredCursor(found.after, tuple(dropped + (own == found.reader) for own, dropped in counted))
            passed += 1
        raise SourceError(name_no_document(", ".join(self._planner.components.values()), passed, passed))

    def _document(self, cursor: Cursor) -> _Read | None:
        """Returns the document at a cursor, kept or not, or None at the end. Reads following documents with it."""
        read = self._read
        if cursor not in read:
            # A new dictionary, because another thread may plan from the old one.
            read = self._read = self._read_from(cursor)
        return read.get(cursor)

    def _read_from(self, cursor: Cursor) -> dict[Cursor, _Read]:
        """Reads documents from a cursor on, each by the cursor before it."""
        cursors, plans = [cursor], list[DocumentPlan]()
        for _ in range(self._pace.count):
            plan, after = self._planner.take(cursors[-1], 1)
            if not len(plan):
                break
            plans.append(plan)
            cursors.append(after)
        if not plans:
            return {}
        try:
            documents = read_at_pace(self._readers, plans, self._pace)
        except ResumableDataError:
            if len(plans) == 1:
                raise
            # Documents before the bad one are still delivered.
            documents = read_at_pace(self._readers, plans[:1], self._pace)
        return {
            cursors[i]: _Read(int(plans[i].reader[0]), document, kept, cursors[i + 1])
            for i, (document, kept) in enumerate(zip(documents, documents.kept.tolist(), strict=True))
        }


def document_engine(
    planner: DocumentPlanner[Cursor], readers: Sequence[Reader]
) -> DocumentEngine | FilteredDocumentEngine:
    """Returns the engine of documents. Only if some may be dropped does it read to plan."""
    return FilteredDocumentEngine(planner, readers) if planner.dropping else DocumentEngine(planner, readers)
