"""The pack stage: documents into rows, window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from resumable_data.assembly.row_format import RowFormat
from resumable_data.errors import PipelineError
from resumable_data.order import permutation
from resumable_data.packing.window import VERSIONS
from resumable_data.planning.documents import DocumentStream
from resumable_data.planning.groups import DocumentGroups, EndlessGroups, EpochGroups
from resumable_data.planning.packed_group import Packing
from resumable_data.planning.packed_rows import PackedRows
from resumable_data.planning.planner import DocumentPlanner
from resumable_data.reading.fields import token_fields
from resumable_data.reading.measuring import KnownLengths
from resumable_data.reading.token_ids import TokenIds
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.stage import DocumentStage, check_token
from resumable_data.state import Settings


@dataclass(frozen=True)
class Pack:
    """Packs the documents of each window into rows.

    Attributes:
        parent: The documents.
        format: Row length and special tokens.
        strategy: ``"best_fit"``, ``"first_fit"`` or ``"concat_split"``.
        window: Documents that are packed together.
        truncate: Whether a document longer than a row loses its tail, rather than being split.
        tokens: The key of the tokens, where documents are mappings.
        vocab_size: How many tokens the model knows, or None. It decides no order, and is no part of the settings.
    """

    parent: DocumentStage
    format: RowFormat
    strategy: str
    window: int
    truncate: bool
    tokens: str | None = None
    vocab_size: int | None = None

    def __post_init__(self) -> None:
        check_format(self.name, self.format, self.vocab_size)
        token_fields(self.name, self.tokens, self.format.fields)
        if self.strategy not in ("best_fit", "first_fit", "concat_split"):
            raise PipelineError(f"pack: strategy={self.strategy!r}; there are best_fit, first_fit and concat_split")
        if self.window < 1:
            raise PipelineError(f"pack: window={self.window} must be at least 1 document")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "pack"

    @property
    def component(self) -> str:
        """The name given with the source."""
        return self.parent.component

    @property
    def lengths_known(self) -> bool:
        """Whether token counts are known without reading."""
        return self.parent.lengths_known

    @property
    def one_document_a_row(self) -> bool:
        """False."""
        return False

    def settings(self) -> Settings:
        """Everything that decides the rows."""
        return {
            **format_settings(self.format),
            "strategy": self.strategy,
            "window": self.window,
            "truncate": self.truncate,
            "tokens": self.tokens,
        }

    def open(self, context: OpenContext, catalog: Catalog, path: str) -> PackedRows:
        """The planner of this stage as the component at ``path``."""
        fields = token_fields(self.name, self.tokens, self.format.fields)
        documents = self.parent.open(replace(context, fields=fields, vocab_size=self.vocab_size), catalog, path)
        catalog.describe(path, self.name, self.settings())
        catalog.use({self.strategy: VERSIONS[self.strategy]})
        if self.parent.shuffle_seed is not None:
            catalog.use({"permutation": permutation.VERSION})
        packing = Packing(self.format.length, self.strategy, self.truncate, self.parent.shuffle_seed)
        return open_rows(documents, path, self.window, packing, context, catalog, known=self.lengths_known)


def open_rows(
    documents: DocumentPlanner[Any],
    path: str,
    window: int,
    packing: Packing,
    context: OpenContext,
    catalog: Catalog,
    *,
    known: bool,
) -> PackedRows:
    """The planner of the rows of a component, or of a mix of documents.

    Args:
        documents: What plans the documents.
        path: The component's path, or that of the mix.
        window: Documents a window at most.
        packing: How windows become rows.
        context: What the stage was told.
        catalog: Where the components were added.
        known: Whether the lengths of all documents are known.
    """
    shards = 1 if known else context.shards
    groups: DocumentGroups[Any] = (
        EpochGroups(documents, window, shards)
        if isinstance(documents, DocumentStream)
        else EndlessGroups(documents, window, shards)
    )
    if known:
        return PackedRows(groups, path, packing, KnownLengths(catalog.readers))
    assert context.measuring is not None
    keys = catalog.keys(groups.components.values())
    return PackedRows(groups, path, packing, context.measuring.lengths(catalog.readers, keys, path))


def check_format(stage: str, row_format: RowFormat, vocab_size: int | None) -> None:
    """Raises PipelineError, naming the stage, where rows of this format, or of this vocabulary, cannot be."""
    if row_format.length < 1:
        raise PipelineError(f"{stage}: length={row_format.length} must be at least 1 token a row")
    check_token(stage, "eod_id", row_format.eod_id)
    check_token(stage, "pad_id", row_format.pad_id)
    if vocab_size is None:
        return
    TokenIds(vocab_size)  # refuses an impossible size
    for name, token in (("eod_id", row_format.eod_id), ("pad_id", row_format.pad_id)):
        if token >= vocab_size:
            raise PipelineError(f"{stage}: {name}={token} is none of the ids 0 to {vocab_size - 1} (vocab_size)")


def format_settings(row_format: RowFormat) -> Settings:
    """The settings of a row format."""
    return {
        "length": row_format.length,
        "eod_id": row_format.eod_id,
        "pad_id": row_format.pad_id,
        "fields": dict(row_format.fields) or None,
        "learnt": None if row_format.learnt is None else [row_format.learnt.field, row_format.learnt.but],
    }
