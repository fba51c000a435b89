"""The pad stage: every document in rows of its own, filled up with padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

from resumable_data.assembly.row_format import RowFormat
from resumable_data.packing.window import VERSIONS
from resumable_data.planning.packed_group import Packing
from resumable_data.planning.packed_rows import PackedRows
from resumable_data.reading.fields import token_fields
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.pack import check_format, format_settings, open_rows
from resumable_data.stages.stage import DocumentStage
from resumable_data.state import Settings

# Where lengths are known, rows keep the order of the documents, so that the window decides nothing but how many are
# planned at once. Where they are not, it also decides how many one logical shard measures for a group.
_WINDOW = 1024
_WINDOW_TO_READ = 64


@dataclass(frozen=True)
class Pad:
    """One document a row, without packing: for evaluation and fine-tuning.

    Attributes:
        parent: The documents.
        format: Row length and special tokens.
        truncate: Whether a document longer than a row loses its tail, rather than taking more rows.
        tokens: The key of the tokens, where documents are mappings.
        vocab_size: How many tokens the model knows, or None. It decides no order, and is no part of the settings.
    """

    parent: DocumentStage
    format: RowFormat
    truncate: bool
    tokens: str | None = None
    vocab_size: int | None = None

    def __post_init__(self) -> None:
        check_format(self.name, self.format, self.vocab_size)
        token_fields(self.name, self.tokens, self.format.fields)

    @property
    def name(self) -> str:
        """The stage's name."""
        return "pad"

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
        """True."""
        return True

    def settings(self) -> Settings:
        """Everything that decides the rows."""
        return {**format_settings(self.format), "truncate": self.truncate, "tokens": self.tokens}

    def open(self, context: OpenContext, catalog: Catalog, path: str) -> PackedRows:
        """The planner of this stage as the component at ``path``."""
        fields = token_fields(self.name, self.tokens, self.format.fields)
        documents = self.parent.open(replace(context, fields=fields, vocab_size=self.vocab_size), catalog, path)
        catalog.describe(path, self.name, self.settings())
        catalog.use({"one_a_row": VERSIONS["one_a_row"]})
        window = _WINDOW if self.lengths_known else _WINDOW_TO_READ
        packing = Packing(self.format.length, "one_a_row", self.truncate, None)
        return open_rows(documents, path, window, packing, context, catalog, known=self.lengths_known)
