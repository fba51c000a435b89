"""What the stages of a pipeline have in common, and what opening one makes of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, SupportsIndex, TypeVar

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError, StateError
from resumable_data.order.shards import WHOLE, Share
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.stages.fields import FieldDtypes, TokenFields
from resumable_data.state import At, Edit, Settings, StageDescription

CursorT = TypeVar("CursorT")


class DocumentReader(Protocol):
    """The reading side of a component: its source with everything that is done to a document."""

    def read(self, records: Int64Array) -> Sequence[Any]:
        """Documents at int64[n] records of the source."""
        ...

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same as tokens."""
        ...

    def lengths(self, records: Int64Array) -> Int64Array:
        """Tokens of the documents of int64[n] records; -1 for one that is dropped."""
        ...

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        ...


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
        truncated: Tokens that truncation cut off these documents.
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


@dataclass(frozen=True)
class RowFormat:
    """How planned rows become arrays.

    Attributes:
        length: Tokens a row.
        eod_id: The end-of-document token, which is the first input of a document.
        pad_id: What fills a row up.
        shift: What is shifted against the other: ``"inputs"``, ``"targets"`` or ``"none"``.
        fields: Fields beside the tokens, each with its dtype.
    """

    length: int
    eod_id: int
    pad_id: int
    shift: str = "inputs"
    fields: FieldDtypes = ()


@dataclass
class Opening:
    """What is gathered while a graph of stages is opened.

    Attributes:
        share: The logical shard that planners are opened for.
        readers: The reading side of each component; plans refer to them by number.
        numbers: These numbers by component path.
        components: Descriptions of each component's stages, by path.
        shared: Descriptions of the stages behind a mix.
        algorithms: Versions of the algorithms in use.
        with_lengths: Whether documents are planned with their lengths.
        endless: Whether components go on behind their last epoch.
        first_row: From a step to its first row, for the mix that is told its weights by step; None within
            other mixes, which know no steps.
        fields: What is taken of documents that are mappings; None where documents are tokens.
    """

    share: Share = WHOLE
    readers: list[DocumentReader] = field(default_factory=list[DocumentReader])
    numbers: dict[str, int] = field(default_factory=dict[str, int])
    components: dict[str, tuple[StageDescription, ...]] = field(
        default_factory=dict[str, tuple[StageDescription, ...]]
    )
    shared: tuple[StageDescription, ...] = ()
    algorithms: dict[str, int] = field(default_factory=dict[str, int])
    with_lengths: bool = True
    endless: bool = False
    first_row: Callable[[int], int] | None = int
    fields: TokenFields | None = None

    def of_shard(self, share: Share) -> Opening:
        """What gathers the planners of another logical shard, whose readers are the same."""
        return Opening(
            share,
            self.readers,
            self.numbers,
            with_lengths=self.with_lengths,
            endless=self.endless,
            first_row=self.first_row,
            fields=self.fields,
        )

    def describe(self, path: str, stage: Stage) -> None:
        """Adds a stage to the component at ``path``, or to what components share if that is a mix."""
        given = {name: value for name, value in stage.settings().items() if value is not None}
        description = StageDescription(stage.name, given)
        if is_mix(path):
            self.shared += (description,)
        else:
            self.components[path] = (*self.components.get(path, ()), description)


def is_mix(path: str) -> bool:
    """Whether a path is that of a mix: the outermost, ``"*"``, or one within it, ``"name/*"``."""
    return path == "*" or path.endswith("/*")


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

    @property
    def lengths_known(self) -> bool:
        """Whether token counts are known without reading."""
        ...

    @property
    def one_document_a_row(self) -> bool:
        """Whether a row is a document, or a chunk of one, of a single source."""
        ...

    def open(self, opening: Opening, path: str) -> RowPlanner[Any]:
        """The planner of this stage as the component at ``path``."""
        ...


def as_integer(what: str, value: SupportsIndex) -> int:
    """A setting as a Python integer, whatever kind of integer it is.

    Raises:
        PipelineError: It is none.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise PipelineError(f"{what}={value!r} must be an integer") from error


def check_token(stage: str, name: str, token: int) -> None:
    """Raises PipelineError, naming the stage and the argument, unless int32 can hold a token."""
    if not 0 <= token < 2**31:
        raise PipelineError(f"{stage}: {name}={token} is no token that int32 can hold")


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
