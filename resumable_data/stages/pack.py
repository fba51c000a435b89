"""The pack stage: documents into rows, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from typing_extensions import override

from resumable_data.arguments import as_choice
from resumable_data.assembly.row_format import RowFormat
from resumable_data.errors import PipelineError
from resumable_data.opaque import Cursor
from resumable_data.order import permutation
from resumable_data.packing.window import VERSIONS, StrategyName
from resumable_data.planning.documents import DocumentStream
from resumable_data.planning.groups import DocumentGroups, EndlessGroups, EpochGroups
from resumable_data.planning.packed_group import Packing
from resumable_data.planning.packed_rows import PackedRows
from resumable_data.planning.planner import DocumentPlanner
from resumable_data.reading.measuring import KnownLengths
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.row_settings import RowSettings
from resumable_data.stages.stage import DocumentStage, RowStage, Stage
from resumable_data.state import Settings

_SEED_OF_MIX = 0  # It does not depend on the components: one that joins later must not change it.


@dataclass(frozen=True)
class Pack(RowStage):
    """Packs the documents of each window into rows.

    Attributes:
        parent: The documents.
        rows: How documents become rows.
        strategy: ``"best_fit"``, ``"first_fit"`` or ``"concat_split"``.
        window: Documents that are packed together.
        max_documents: At most so many documents a row, or None for no limit.
    """

    parent: DocumentStage
    rows: RowSettings
    strategy: StrategyName
    window: int
    max_documents: int | None = None

    def __post_init__(self) -> None:
        as_choice("pack: strategy", self.strategy, get_args(StrategyName))
        if self.window < 1:
            raise PipelineError(f"pack: window={self.window} must be at least 1 document")
        if self.max_documents is not None and self.max_documents < 1:
            raise PipelineError(f"pack: max_documents={self.max_documents} must be at least 1 document a row")
        if self.rows.drop_unscored and self.strategy == "concat_split":
            raise PipelineError(
                "pack: drop_unscored=True needs best_fit or first_fit. concat_split cuts documents where a row "
                "ends, and such a row could have no scored token"
            )

    @property
    @override
    def name(self) -> str:
        return "pack"

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
        return False

    @override
    def settings(self) -> Settings:
        return {
            **self.rows.settings(),
            "strategy": self.strategy,
            "window": self.window,
            "max_documents": self.max_documents,
        }

    @override
    def open(self, context: OpenContext, catalog: Catalog, path: str) -> PackedRows:
        """Returns the planner of this stage as the component at ``path``."""
        documents = self.parent.open(self.rows.tell(context), catalog, path)
        catalog.describe(path, self.name, self.settings())
        catalog.use({self.strategy: VERSIONS[self.strategy]})
        seeds = self.parent.shuffle_seeds(path)
        if any(seed is not None for seed in seeds.values()):
            catalog.use({"permutation": permutation.VERSION})
        packing = Packing(
            self.format.length,
            self.strategy,
            self.max_documents,
            seeds.get(path, _SEED_OF_MIX),
            frozenset(component for component, seed in seeds.items() if seed is None),
            masked=self.format.learnt is not None,
            truncates=self.rows.truncate is not None,
        )
        return open_rows(documents, path, self.window, packing, context, catalog, known=self.lengths_known)


def open_rows(
    documents: DocumentPlanner[Cursor],
    path: str,
    window: int,
    packing: Packing,
    context: OpenContext,
    catalog: Catalog,
    *,
    known: bool,
) -> PackedRows:
    """Returns the planner of the rows of a component, or of a mix of documents.

    Args:
        documents: The planner of the documents.
        path: The component's path, or that of the mix.
        window: At most so many documents a window.
        packing: How windows become rows.
        context: What the stages above passed down.
        catalog: The catalog that holds the components.
        known: Whether the lengths of all documents are known.
    """
    shards = 1 if known else context.shards
    groups: DocumentGroups[Cursor] = (
        EpochGroups(documents, window, shards)
        if isinstance(documents, DocumentStream)
        else EndlessGroups(documents, window, shards)
    )
    if known:
        return PackedRows(groups, path, packing, KnownLengths(catalog.readers, reads_counts=context.reads_counts))
    assert context.measuring is not None
    keys = catalog.keys(groups.components.values())
    return PackedRows(groups, path, packing, context.measuring.lengths(catalog.readers, keys, path))
