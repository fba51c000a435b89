"""What the stages of a pipeline have in common, and what opening one makes of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, SupportsIndex

from resumable_data.assembly.row_format import RowFormat
from resumable_data.errors import PipelineError
from resumable_data.order.shards import WHOLE, Share
from resumable_data.planning.planner import DocumentPlanner, RowPlanner
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.reader import Reader
from resumable_data.state import Settings, StageDescription


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
    readers: list[Reader] = field(default_factory=list[Reader])
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


class DocumentStage(Named, Protocol):
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


def check_component_name(name: str) -> None:
    """Raises PipelineError unless a component can have this name."""
    if not name or "/" in name or "*" in name:
        raise PipelineError(f"a component needs a name without / and *: from_source(source, name={name!r})")
