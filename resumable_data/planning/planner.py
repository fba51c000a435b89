"""The planners of documents and rows, what a state tells them, and what they report of a position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from resumable_data.edits import Edit
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.state import At, Settings

CursorT = TypeVar("CursorT")


MOST_DROPPED = 10_000_000
"""So many documents may be dropped, one after the other, where epochs have no meaning."""


class DocumentPlanner(Protocol[CursorT]):
    """Plans documents: pure, integers only. The cursor is a value; nothing is kept between calls."""

    @property
    def components(self) -> Mapping[int, str]:
        """The path of the component of each reader that its documents come from."""
        ...

    @property
    def most_dropped(self) -> int:
        """So many documents may be dropped, one after the other, before that is an error."""
        ...

    def epoch(self, cursor: CursorT) -> int | None:
        """The epoch of the next document, of a single component; None where epochs have no meaning."""
        ...

    @property
    def dropping(self) -> Collection[int]:
        """The readers that may drop documents."""
        ...

    def start(self) -> CursorT:
        """Returns the cursor before the first document."""
        ...

    def renewed(self, cursor: CursorT) -> CursorT:
        """Returns the cursor with all pending changes in force."""
        ...

    def take(self, cursor: CursorT, count: int) -> tuple[DocumentPlan, CursorT]:
        """Returns the next ``count`` documents, or the remaining ones, and the cursor after them."""
        ...

    def position(self, cursor: CursorT) -> int:
        """Returns the number of documents before the cursor."""
        ...

    def finished(self, cursor: CursorT) -> bool:
        """Whether every document is before the cursor, of all epochs that were asked for."""
        ...

    def extent(self, cursor: CursorT) -> Extent | None:
        """Returns how many of the documents lie before the cursor; None if they are endless."""
        ...

    def continues(self, after: CursorT, saved: Saved) -> bool:
        """Whether a group that ends at a cursor is the same with the epochs of the saved pipeline."""
        ...

    def counts(self, cursor: CursorT) -> dict[str, Counts]:
        """Returns documents and epochs of each component before the cursor."""
        ...

    def encode(self, cursor: CursorT) -> dict[str, At]:
        """Returns the cursor as integers, by component path."""
        ...

    def decode(self, saved: Saved) -> CursorT:
        """Returns the cursor that ``encode`` encoded; raises StateError if there is no such cursor."""
        ...


class RowPlanner(Protocol[CursorT]):
    """Plans rows, in the same way."""

    def position(self, cursor: CursorT) -> int:
        """Returns the number of rows before the cursor."""
        ...

    def start(self) -> CursorT:
        """Returns the cursor before the first row."""
        ...

    def take(self, cursor: CursorT, count: int) -> tuple[RowPlan, CursorT]:
        """Returns the next ``count`` rows, or the remaining ones, and the cursor after them."""
        ...

    def encode(self, cursor: CursorT) -> dict[str, At]:
        """Returns the cursor as integers, by component path."""
        ...

    def decode(self, saved: Saved) -> CursorT:
        """Returns the cursor that ``encode`` encoded; raises StateError if there is no such cursor."""
        ...

    def finished(self, cursor: CursorT) -> bool:
        """Whether every row is before the cursor, of all epochs that were asked for."""
        ...

    def extent(self, cursor: CursorT) -> Extent | None:
        """Returns how many of the documents lie before the cursor; None if they are endless."""
        ...

    def counts(self, cursor: CursorT, *, ended: bool) -> dict[str, Counts]:
        """What each component has delivered up to the cursor; what ends the data without a row too, if it ended."""
        ...

    def epoch(self, cursor: CursorT) -> int | None:
        """The epoch of the next row, of a single component; None where epochs have no meaning."""
        ...

    def epoch_begun(self, cursor: CursorT) -> int | None:
        """The same as far as the cursor says it: no row is planned to see whether the epoch has one left."""
        ...


@dataclass(frozen=True)
class Counts:
    """What a component has delivered.

    Attributes:
        documents: Documents that began in the rows delivered.
        tokens: Tokens in them, padding excluded.
        truncated: Tokens that ``pack``, ``pad`` or ``tokenize`` cut off these documents.
        scored: Tokens that are learnt: all, or those that a loss mask selects. None if lengths are known without
            reading, because the mask is then not read before it is delivered.
        dropped: Documents left out by a filter, as bad records or as unscored. They count once all rows of their
            group are delivered or, without rows, once all documents before them are.
        rows: Rows; 0 for a component of a mix of documents, which share their rows.
        epochs: Epochs of the source that were delivered, as a fraction.
        share: Its share of what its mix has drawn since the weights last changed; 1 outside a mix.
        target: The share that its weights ask for.
    """

    documents: int = 0
    tokens: int = 0
    truncated: int = 0
    scored: int | None = 0
    dropped: int = 0
    rows: int = 0
    epochs: float = 0.0
    share: float = 1.0
    target: float = 1.0


@dataclass(frozen=True)
class Extent:
    """How far a finite pipeline is, in documents.

    Attributes:
        done: Documents planned.
        total: Documents to plan until its end.
    """

    done: float
    total: float


@dataclass(frozen=True)
class Saved:
    """What a state tells planners.

    Attributes:
        at: Integers by component path.
        rows: Rows delivered.
        settings: Settings of the saved pipeline's shared stages, by name.
        edits: What was changed before it was saved, oldest first.
        rows_before: From a step to its first row, in the pipeline that was saved.
        rows_now: The same in the pipeline at hand.
        epochs_before: By component path the number of epochs that this restore changes.
        in_group: Whether a group of windows is delivered in part.
    """

    at: Mapping[str, At]
    rows: int
    settings: Mapping[str, Settings]
    edits: tuple[Edit, ...]
    rows_before: Callable[[int], int]
    rows_now: Callable[[int], int]
    epochs_before: Mapping[str, int]
    in_group: bool = False
