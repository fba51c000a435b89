"""The pad stage: every document in rows of its own, padded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from typing_extensions import override

from resumable_data.assembly.row_format import RowFormat
from resumable_data.packing.window import VERSIONS
from resumable_data.planning.integers import is_mix
from resumable_data.planning.packed_group import Packing
from resumable_data.planning.packed_rows import PackedRows
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.pack import open_rows
from resumable_data.stages.row_settings import RowSettings
from resumable_data.stages.stage import DocumentStage, RowStage, Stage
from resumable_data.state import Settings

# If lengths are known, rows keep the order of the documents: the window only decides how many are planned at once.
# If they are not known, it also decides how many documents one logical shard measures for a group. A mix has the
# second window in both cases: an edit may change whether all lengths are known, but not the group in progress.
_WINDOW = 1024
_WINDOW_TO_READ = 64


@dataclass(frozen=True)
class Pad(RowStage):
    """One document a row, without packing: for evaluation and fine-tuning.

    Attributes:
        parent: The documents.
        rows: How documents become rows.
    """

    parent: DocumentStage
    rows: RowSettings

    @property
    @override
    def name(self) -> str:
        return "pad"

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
        return self.rows.format

    @property
    @override
    def random_access(self) -> bool:
        return self.parent.random_access

    @property
    @override
    def lengths_known(self) -> bool:
        return self.parent.lengths_known and not self.rows.reads_documents

    @property
    @override
    def one_document_a_row(self) -> bool:
        return True

    @override
    def settings(self) -> Settings:
        return self.rows.settings()

    @override
    def open(self, context: OpenContext, catalog: Catalog, path: str) -> PackedRows:
        """Returns the planner of this stage as the component at ``path``."""
        documents = self.parent.open(self.rows.tell(context), catalog, path)
        catalog.describe(path, self.name, self.settings())
        catalog.use({"one_a_row": VERSIONS["one_a_row"]})
        window = _WINDOW if self.lengths_known and not is_mix(path) else _WINDOW_TO_READ
        packing = Packing(
            self.format.length,
            "one_a_row",
            masked=self.format.learnt is not None,
            truncates=self.rows.truncate is not None,
        )
        return open_rows(documents, path, window, packing, context, catalog, known=self.lengths_known)
