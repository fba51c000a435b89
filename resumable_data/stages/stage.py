"""What the stages of a pipeline have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from resumable_data.arguments import as_text
from resumable_data.assembly.row_format import RowFormat
from resumable_data.errors import PipelineError
from resumable_data.opaque import Cursor
from resumable_data.planning.planner import DocumentPlanner, RowPlanner
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.state import Settings


class Stage(Protocol):
    """A node of the pipeline graph: immutable settings."""

    @property
    def name(self) -> str:
        """The name of this kind of stage in descriptions and errors."""
        ...

    @property
    def component(self) -> str:
        """The path of its component or mix, unless it is part of a larger mix."""
        ...

    def settings(self) -> Settings:
        """Returns the settings that decide the data."""
        ...

    def below(self, path: str) -> Mapping[str, Stage]:
        """Returns the stages that it takes its elements from, by component path.

        Args:
            path: The component path of this stage.
        """
        ...


class DocumentStage(Stage, Protocol):
    """A stage whose elements are documents."""

    @property
    def random_access(self) -> bool:
        """Whether records can be read in any order."""
        ...

    @property
    def lengths_known(self) -> bool:
        """Whether token counts are known without reading."""
        ...

    def shuffle_seeds(self, path: str) -> Mapping[str, int | None]:
        """Returns the seed of each component's shuffle by path; None for the order of its source."""
        ...

    def open(self, context: OpenContext, catalog: Catalog, path: str) -> DocumentPlanner[Cursor]:
        """Returns the planner of this stage as the component at ``path``."""
        ...


class RowStage(Stage, Protocol):
    """A stage whose elements are rows."""

    @property
    def random_access(self) -> bool:
        """Whether the records below can be read in any order."""
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

    def open(self, context: OpenContext, catalog: Catalog, path: str) -> RowPlanner[Cursor]:
        """Returns the planner of this stage as the component at ``path``."""
        ...


def check_token(stage: str, name: str, token: int) -> None:
    """Raises PipelineError, naming the stage and the argument, unless int32 can hold a token."""
    if not 0 <= token < 2**31:
        raise PipelineError(f"{stage}: {name}={token} is not a token that int32 can hold")


def check_component_name(name: str) -> None:
    """Raises PipelineError unless a component can have this name."""
    as_text("from_source: name", name)
    if "/" in name or "*" in name:
        raise PipelineError(f"a component needs a name without / and *: from_source(source, name={name!r})")
