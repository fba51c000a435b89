"""The protocols of planners, what a state tells them, and what they tell about a position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from resumable_data.edits import Edit
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.state import At, Settings

CursorT = TypeVar("CursorT")


MOST_DROPPED = 10_000_000
"""Most documents that may be dropped, one after the other, if epochs have no meaning."""


class DocumentPlanner(Protocol[CursorT]):
    """Plans documents: pure, integers only. The cursor is a value, and nothing is kept between calls."""

    @property
    def components(self) -> Mapping[int, str]:
        """From the number of each reader of its documents to the path of the component."""
        ...

    @property
    def most_dropped(self) -> int:
        """Most documents that may be dropped, one after the other; more are an error."""
        ...

    def epoch(self, cursor: CursorT) -> int | None:
        """Returns the epoch of a single component's next document; None if epochs have no meaning."""
        ...

    @property
    def dropping(self) -> Collection[int]:
        """The readers that may drop documents."""
        ...

    def start(self) -> CursorT:
        """Returns the cursor before the first document."""
        ...

    def renewed(self, cursor: CursorT) -> CursorT:
        """Returns the cursor with all changes in force that waited for the next group."""
        ...

    def take(self, cursor: CursorT, count: int) -> tuple[DocumentPlan, CursorT]:
        """Plans the next ``count`` documents, or the rest, and returns the cursor after them too."""
        ...

    def position(self, cursor: CursorT) -> int:
        """Returns the number of documents before the cursor."""
        ...

    def finished(self, cursor: CursorT) -> bool:
        """Tells whether all documents of all epochs that were asked for are before the cursor."""
        ...

    def extent(self, cursor: CursorT) -> Extent | None:
        """Returns how much of the documents lies before the cursor; None if they are endless."""
        ...

    def continues(self, after: CursorT, saved: Saved) -> bool:
        """Tells whether a group that ends at a cursor is the same with the epochs of the saved pipeline."""
        ...

    def next_epochs(self, cursor: CursorT) -> dict[str, int | None]:
        """Returns, by component path, the first epoch that lies whole after a cursor; None if there is none."""
        ...

    def counts(self, cursor: CursorT) -> dict[str, Counts]:
        """Counts the documents and epochs of each component before the cursor."""
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
        """Plans the next ``count`` rows, or the rest, and returns the cursor after them too."""
        ...

    def encode(self, cursor: CursorT) -> dict[str, At]:
        """Returns the cursor as integers, by component path."""
        ...

    def decode(self, saved: Saved) -> CursorT:
        """Returns the cursor that ``encode`` encoded; raises StateError if there is no such cursor."""
        ...

    def finished(self, cursor: CursorT) -> bool:
        """Tells whether all rows of all epochs that were asked for are before the cursor."""
        ...

    def extent(self, cursor: CursorT) -> Extent | None:
        """Returns how much of the documents lies before the cursor; None if they are endless."""
        ...

    def next_epochs(self, cursor: CursorT) -> dict[str, int | None]:
        """Returns, by component path, the first epoch that lies whole after the group of the next row."""
        ...

    def counts(self, cursor: CursorT, *, ended: bool) -> dict[str, Counts]:
        """Counts what each component has delivered; if the data ended, also documents after the last row."""
        ...

    def epoch(self, cursor: CursorT) -> int | None:
        """Returns the epoch of a single component's next row; None if epochs have no meaning."""
        ...

    def epoch_begun(self, cursor: CursorT) -> int | None:
        """Returns the epoch that the cursor shows. No row is planned to see if the epoch has one left."""
        ...


@dataclass(frozen=True)
class Counts:
    """What a component has delivered.

    Attributes:
        documents: Documents that began in the rows delivered.
        tokens: Tokens in them, padding excluded.
        truncated: Tokens that ``pack``, ``pad`` or ``tokenize`` cut off these documents.
        scored: The learnt ones of these tokens: all, or those that a loss mask lets count. None if lengths are known
            without reading: the mask is then not read before it is delivered.
        dropped: Documents that were left out by a filter, as bad records or as unscored. They count after all rows
            of their group are delivered; without rows, after all documents before them.
        rows: Rows; 0 for a component of a mix of documents, whose components share rows.
        epochs: Epochs of the source that were delivered, as a fraction.
        share: Its share of the samples of its mix since the weights last changed; 1 outside a mix.
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
        done: Planned documents.
        total: All documents until its end.
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
        rows_now: The same in the present pipeline.
        epochs_before: By component path, the number of epochs before this restore changed it.
        row_length_before: Tokens a row, before this restore changed them; None if it does not.
        in_group: Whether a group of windows is delivered in part.
    """

    at: Mapping[str, At]
    rows: int
    settings: Mapping[str, Settings]
    edits: tuple[Edit, ...]
    rows_before: Callable[[int], int]
    rows_now: Callable[[int], int]
    epochs_before: Mapping[str, int]
    row_length_before: int | None = None
    in_group: bool = False
