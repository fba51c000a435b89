"""What plans documents and rows, what a state says to it, and what it can say of a position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from resumable_data.delivered import Delivered
from resumable_data.edits import Edit
from resumable_data.errors import StateError
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.state import At, Settings

CursorT = TypeVar("CursorT")


class DocumentPlanner(Protocol[CursorT]):
    """Plans documents: pure, integers only. The cursor is a value; nothing is kept between calls."""

    @property
    def epoch_size(self) -> int | None:
        """Documents an epoch, of all logical shards, or None where epochs have no meaning."""
        ...

    @property
    def epochs(self) -> int | None:
        """Epochs that were asked for, or None where they are endless or have no meaning."""
        ...

    @property
    def components(self) -> Mapping[int, str]:
        """The path of the component behind each reader that its documents come from."""
        ...

    @property
    def dropping(self) -> Collection[int]:
        """Those of these readers that may leave documents out."""
        ...

    def start(self) -> CursorT:
        """The cursor in front of the first document."""
        ...

    def renewed(self, cursor: CursorT) -> CursorT:
        """The cursor with every change in force that waited for the next window."""
        ...

    def take(self, cursor: CursorT, count: int) -> tuple[DocumentPlan, CursorT]:
        """The next ``count`` documents, or what is left, and the cursor behind them."""
        ...

    def position(self, cursor: CursorT) -> int:
        """Documents in front of the cursor."""
        ...

    def finished(self, cursor: CursorT) -> bool:
        """Whether every document is in front of the cursor, of all epochs that were asked for."""
        ...

    def extent(self, cursor: CursorT) -> Extent | None:
        """How much of the documents lies in front of the cursor; None where they are endless."""
        ...

    def continues(self, behind: CursorT, saved: Saved) -> bool:
        """Whether a window that ends at a cursor is the same with the epochs of the saved pipeline."""
        ...

    def counts(self, cursor: CursorT) -> dict[str, Counts]:
        """Documents and epochs of each component in front of the cursor."""
        ...

    def encode(self, cursor: CursorT) -> dict[str, At]:
        """The cursor as integers, by component path."""
        ...

    def decode(self, saved: Saved) -> CursorT:
        """The cursor that ``encode`` gave; a StateError where there can be no such cursor."""
        ...


class RowPlanner(Protocol[CursorT]):
    """Plans rows, in the same way."""

    def position(self, cursor: CursorT) -> int:
        """Rows in front of the cursor."""
        ...

    def start(self) -> CursorT:
        """The cursor in front of the first row."""
        ...

    def take(self, cursor: CursorT, count: int) -> tuple[RowPlan, CursorT]:
        """The next ``count`` rows, or what is left, and the cursor behind them."""
        ...

    def encode(self, cursor: CursorT) -> dict[str, At]:
        """The cursor as integers, by component path."""
        ...

    def decode(self, saved: Saved) -> CursorT:
        """The cursor that ``encode`` gave; a StateError where there can be no such cursor."""
        ...

    def finished(self, cursor: CursorT) -> bool:
        """Whether every row is in front of the cursor, of all epochs that were asked for."""
        ...

    def extent(self, cursor: CursorT) -> Extent | None:
        """How much of the documents lies in front of the cursor; None where they are endless."""
        ...

    def counts(self, cursor: CursorT) -> dict[str, Counts]:
        """What each component has delivered up to the cursor."""
        ...


@dataclass(frozen=True)
class Counts:
    """What a component has delivered.

    Attributes:
        documents: Documents that began in the rows delivered.
        tokens: Tokens in them, padding excluded.
        truncated: Tokens that ``pack``, ``pad`` or ``tokenize`` cut off these documents.
        dropped: Documents that were left out, by a filter or as bad records, once all rows of their window are
            delivered, or where there are no rows, all documents in front of them.
        rows: Rows; 0 for a component of a mix of documents, which share their rows.
        epochs: Epochs of the source that were delivered, as a fraction.
        share: Its share of what its mix has drawn since the weights last changed; 1 outside a mix.
        target: The share that its weights ask for.
    """

    documents: int = 0
    tokens: int = 0
    truncated: int = 0
    dropped: int = 0
    rows: int = 0
    epochs: float = 0.0
    share: float = 1.0
    target: float = 1.0

    @property
    def delivered(self) -> Delivered:
        """The part of it that a state keeps."""
        return Delivered(self.rows, self.documents, self.tokens, self.truncated, self.dropped)

    def plus(self, other: Counts) -> Counts:
        """Both together, as of two logical shards of one component; shares are those of the first."""
        return replace(
            self,
            documents=self.documents + other.documents,
            tokens=self.tokens + other.tokens,
            truncated=self.truncated + other.truncated,
            dropped=self.dropped + other.dropped,
            rows=self.rows + other.rows,
            epochs=self.epochs + other.epochs,
        )


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
    """What a state says to planners.

    Attributes:
        at: Integers by component path.
        rows: Rows delivered.
        settings: Settings of the saved pipeline's shared stages, by name.
        edits: What was changed before it was saved, oldest first.
        rows_before: From a step to its first row, in the pipeline that was saved.
        rows_now: The same in the pipeline at hand.
        epochs_before: By component path the number of epochs that this restore changes.
        in_window: Whether a window is delivered in part.
    """

    at: Mapping[str, At]
    rows: int
    settings: Mapping[str, Settings]
    edits: tuple[Edit, ...]
    rows_before: Callable[[int], int]
    rows_now: Callable[[int], int]
    epochs_before: Mapping[str, int]
    in_window: bool = False


def checked_integers(at: Mapping[str, At], path: str, count: int) -> tuple[int, ...]:
    """The ``count`` integers that a state has for a component.

    Raises:
        StateError: There are others, or they are no natural numbers.
    """
    found = at.get(path)
    integers = tuple(value for value in found or () if type(value) is int and value >= 0)
    if found is None or len(found) != count or len(integers) != count:
        raise StateError(f"component {path!r}: the state's position {found} is not {count} natural numbers")
    return integers
