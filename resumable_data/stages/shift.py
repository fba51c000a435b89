"""The shift stage: which side of a row is shifted against the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from typing_extensions import override

from resumable_data.arguments import as_choice
from resumable_data.assembly.row_format import RowFormat
from resumable_data.opaque import Cursor
from resumable_data.planning.planner import RowPlanner
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.stage import RowStage, Stage
from resumable_data.state import Settings

Side = Literal["inputs", "targets", "none"]


@dataclass(frozen=True)
class Shift(RowStage):
    """Chooses how inputs and targets are made of a row's text.

    Attributes:
        parent: The rows.
        what: ``"inputs"``: the text is the target, the inputs are the same shifted right, which is what rows
            do without this stage. ``"targets"``: the text is the input, the targets are the same shifted
            left, and the last token of a span has no target and does not count. ``"none"``: both are the
            text.
    """

    parent: RowStage
    what: Side

    def __post_init__(self) -> None:
        as_choice("shift: what", self.what, get_args(Side))

    @property
    @override
    def name(self) -> str:
        return "shift"

    @property
    @override
    def component(self) -> str:
        return self.parent.component

    @override
    def below(self, path: str) -> Mapping[str, Stage]:
        return {path: self.parent}

    @property
    @override
    def format(self) -> RowFormat:
        return replace(self.parent.format, shift=self.what)

    @property
    @override
    def random_access(self) -> bool:
        return self.parent.random_access

    @property
    @override
    def lengths_known(self) -> bool:
        return self.parent.lengths_known

    @property
    @override
    def one_document_a_row(self) -> bool:
        return self.parent.one_document_a_row

    @override
    def settings(self) -> Settings:
        return {"what": self.what}

    @override
    def open(self, context: OpenContext, catalog: Catalog, path: str) -> RowPlanner[Cursor]:
        """Returns the parent's planner: a shift moves no row."""
        planner = self.parent.open(replace(context, shift=self.what), catalog, path)
        catalog.describe(path, self.name, self.settings())
        return planner
