"""What the stages of a pipeline have in common, and what opening one makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import StateError
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.state import Settings, StageDescription

CursorT = TypeVar("CursorT")
At = tuple[int, ...]
"""What a component's cursors are in a state: a few integers."""


class DocumentReader(Protocol):
    """The reading side of a component: its source with everything that is done to a document."""

    def read(self, records: Int64Array) -> Sequence[Any]:
        """Documents at int64[n] records of the source."""
        ...

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same as tokens."""
        ...

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        ...


class DocumentPlanner(Protocol[CursorT]):
    """Plans documents: pure, integers only. The cursor is a value; nothing is kept between calls."""

    @property
    def epoch_size(self) -> int | None:
        """Documents an epoch, or None where epochs have no meaning."""
        ...

    @property
    def total(self) -> int | None:
        """Documents in all, or None where they are endless."""
        ...

    def start(self) -> CursorT:
        """The cursor in front of the first document."""
        ...

    def take(self, cursor: CursorT, count: int) -> tuple[DocumentPlan, CursorT]:
        """The next ``count`` documents, or what is left, and the cursor behind them."""
        ...

    def position(self, cursor: CursorT) -> int:
        """Documents in front of the cursor."""
        ...

    def encode(self, cursor: CursorT) -> dict[str, At]:
        """The cursor as integers, by component path."""
        ...

    def decode(self, at: Mapping[str, At]) -> CursorT:
        """The cursor that ``encode`` gave; a StateError where there can be no such cursor."""
        ...


class RowPlanner(Protocol[CursorT]):
    """Plans rows, in the same way."""

    def start(self) -> CursorT:
        """The cursor in front of the first row."""
        ...

    def take(self, cursor: CursorT, count: int) -> tuple[RowPlan, CursorT]:
        """The next ``count`` rows, or what is left, and the cursor behind them."""
        ...

    def encode(self, cursor: CursorT) -> dict[str, At]:
        """The cursor as integers, by component path."""
        ...

    def decode(self, at: Mapping[str, At]) -> CursorT:
        """The cursor that ``encode`` gave; a StateError where there can be no such cursor."""
        ...

    def counts(self, cursor: CursorT) -> dict[str, Counts]:
        """What each component has delivered up to the cursor."""
        ...


@dataclass(frozen=True)
class Counts:
    """What a component has delivered.

    Attributes:
        rows: Rows.
        documents: Documents that began in them.
        tokens: Tokens in them, padding excluded.
        truncated: Tokens that truncation cut off these documents.
        epochs: Epochs of the source that were planned up to here, as a fraction, or None behind a mix.
    """

    rows: int
    documents: int
    tokens: int
    truncated: int
    epochs: float | None


@dataclass(frozen=True)
class RowFormat:
    """How planned rows become arrays.

    Attributes:
        length: Tokens a row.
        eod_id: The end-of-document token, which is the first input of a document.
        pad_id: What fills a row up.
        shift: What is shifted against the other: ``"inputs"``, ``"targets"`` or ``"none"``.
    """

    length: int
    eod_id: int
    pad_id: int
    shift: str = "inputs"


@dataclass
class Opening:
    """What is gathered while a graph of stages is opened.

    Attributes:
        readers: The reading side of each component; plans refer to them by number.
        components: Descriptions of each component's stages, by path.
        algorithms: Versions of the algorithms in use.
    """

    readers: list[DocumentReader] = field(default_factory=list[DocumentReader])
    components: dict[str, tuple[StageDescription, ...]] = field(
        default_factory=dict[str, tuple[StageDescription, ...]]
    )
    algorithms: dict[str, int] = field(default_factory=dict[str, int])


class Named(Protocol):
    """What an error can name."""

    @property
    def name(self) -> str:
        """What descriptions and errors call this kind of stage."""
        ...


class Stage(Named, Protocol):
    """A node of the pipeline graph: immutable settings."""

    def settings(self) -> Settings:
        """The settings that decide the data."""
        ...


class DocumentStage(Stage, Protocol):
    """A stage whose elements are documents."""

    @property
    def lengths_known(self) -> bool:
        """Whether token counts are known without reading."""
        ...

    @property
    def component(self) -> str:
        """The name it goes by where no mix gives it another."""
        ...

    @property
    def shuffle_seed(self) -> int | None:
        """Seed of the shuffle above, or None where the order is the source's."""
        ...

    def open(self, opening: Opening, path: str) -> DocumentPlanner[Any]:
        """The planner of this stage as the component at ``path``."""
        ...


class RowStage(Stage, Protocol):
    """A stage whose elements are rows."""

    @property
    def component(self) -> str:
        """The name it goes by where no mix gives it another."""
        ...

    @property
    def format(self) -> RowFormat:
        """How its rows become arrays."""
        ...

    def open(self, opening: Opening, path: str) -> RowPlanner[Any]:
        """The planner of this stage as the component at ``path``."""
        ...


def describe(stage: Stage) -> StageDescription:
    """A stage's entry in the description of its pipeline."""
    return StageDescription(stage.name, dict(stage.settings()))


def checked_integers(at: Mapping[str, At], path: str, count: int) -> At:
    """The ``count`` integers that a state has for a component.

    Raises:
        StateError: There are others, or they are no natural numbers.
    """
    found = at.get(path)
    if found is None or len(found) != count or not all(type(value) is int and value >= 0 for value in found):
        raise StateError(f"component {path!r}: the state's position {found} is not {count} natural numbers")
    return found
