"""``DocumentDataset``: pipelines of documents, which ``pack`` and ``pad`` make rows of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from typing_extensions import override

from resumable_data.arguments import as_integer, optional
from resumable_data.dataset.changing import Changing
from resumable_data.dataset.ordering import Ordering
from resumable_data.dataset.rows import RowDataset
from resumable_data.dataset.tokenizing import Tokenizing
from resumable_data.engines.engine import Engine
from resumable_data.engines.filtered_documents import document_engine
from resumable_data.engines.worker import Worker
from resumable_data.errors import PipelineError
from resumable_data.opaque import Cursor, Plan, PyTree
from resumable_data.packing.window import StrategyName
from resumable_data.reading.fields import Fields
from resumable_data.run_history import RunHistory
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.component import Component
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.pack import Pack
from resumable_data.stages.pad import Pad
from resumable_data.stages.row_settings import RowSettings

_WINDOW = 4096
_WINDOW_TO_READ = 256

ElementT = TypeVar("ElementT")


@dataclass(frozen=True, repr=False)
class DocumentDataset(Ordering[ElementT], Changing[ElementT], Tokenizing[ElementT]):
    """A pipeline of documents: of one component, or of a mix of several. Iterating over it gives documents.

    >>> import resumable_data as rd
    >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2], [3], [4, 5, 6]]))
    >>> list(documents.filter(on_lengths=lambda lengths: lengths > 1, name="two or more").shuffle(seed=2))
    [[4, 5, 6], [1, 2]]
    """

    def pack(
        self,
        length: int,
        *,
        eod_id: int | None = None,
        strategy: StrategyName = "best_fit",
        window: int | None = None,
        pad_id: int = 0,
        truncate: bool | Literal["left", "right"] = False,
        max_documents: int | None = None,
        fields: Fields = (),
        tokens: str | None = None,
        loss_mask: str | None = None,
        labels: str | None = None,
        drop_unscored: bool = False,
        vocab_size: int | None = None,
    ) -> RowDataset:
        """Packs documents into rows of ``length`` tokens, window by window.

        Documents are arrays of tokens. Or they are mappings with an array of tokens under ``tokens``, and arrays with
        one value a token under the names of ``fields``. Fields go where the tokens go, and batches are then an
        ``LLMFieldsBatch``. The field ``"loss_mask"`` says which tokens are to be predicted.

        Args:
            length: Tokens a row.
            eod_id: The first input of every document; by default that of ``tokenize`` or ``append_eod``. ``pack``
                does not append it to documents.
            strategy: ``"best_fit"`` (decreasing; fills best), ``"first_fit"`` (keeps the order) or
                ``"concat_split"`` (no padding; documents are split where a row ends).
            window: Documents that are packed together. More documents fill rows better. By default 4096, or 256 if
                lengths are known only by reading: a resume reads so many again for each logical shard.
            pad_id: What fills a row up.
            truncate: Truncate a document longer than a row, instead of splitting it over several: ``"right"``, or
                True, cuts its last tokens off, ``"left"`` its first.
            max_documents: Most documents of a row. A part of a document counts as one. Attention kernels that number
                the segments of a row have such a limit. ``packing()`` says how many the fullest row has.
            fields: Names of fields, which are int32, or their dtypes by name, as ``{"weight": "float32"}``.
            tokens: Key of the tokens, if documents are mappings. ``"tokens"`` if only ``fields`` are given.
            loss_mask: The field that says which tokens are scored: those where it is not 0. By default
                ``"loss_mask"``, if that is among the fields.
            labels: The field that says it as Hugging Face does: tokens are scored where it is not -100.
            drop_unscored: Drop documents without a scored token, after they are truncated, so that every row has a
                token in the loss. Each keeps its position. Documents are then read before they are packed. It needs
                ``truncate``, and a strategy other than ``concat_split``.
            vocab_size: How many tokens the model knows. A record with a larger id is bad; one with a negative id
                always is. By default the ids of the tokenizer, after ``tokenize``. It is not part of the state.

        Raises:
            PipelineError: A setting is impossible.
        """
        self._before_prefetch("pack")
        rows = RowSettings.of(
            "pack",
            self.node,
            length=length,
            eod_id=eod_id,
            pad_id=pad_id,
            fields=fields,
            loss_mask=loss_mask,
            labels=labels,
            truncate=truncate,
            drop_unscored=drop_unscored,
            tokens=tokens,
            vocab_size=vocab_size,
        )
        if window is None:
            window = _WINDOW if self.node.lengths_known and not rows.reads_documents else _WINDOW_TO_READ
        window = as_integer("pack: window", window)
        most = optional(as_integer, "pack: max_documents", max_documents)
        return RowDataset(Pack(self.node, rows, strategy, window, most))

    def pad(
        self,
        length: int,
        *,
        eod_id: int | None = None,
        pad_id: int = 0,
        truncate: bool | Literal["left", "right"] = False,
        fields: Fields = (),
        tokens: str | None = None,
        loss_mask: str | None = None,
        labels: str | None = None,
        drop_unscored: bool = False,
        vocab_size: int | None = None,
    ) -> RowDataset:
        """Gives each document rows of its own, of ``length`` tokens.

        A document that is longer has several rows, unless ``truncate`` says where it is cut. Rows are in the order of
        the documents if lengths are known, or with ``batch(…, shards=1)``.

        Args:
            length: Tokens a row.
            eod_id: The first input of every document; by default that of ``tokenize`` or ``append_eod``.
            pad_id: What fills a row up.
            truncate: Truncate a document longer than a row, instead of giving it several rows; ``"left"`` or
                ``"right"`` as in ``pack``.
            fields: As in ``pack``.
            tokens: As in ``pack``.
            loss_mask: As in ``pack``.
            labels: As in ``pack``.
            drop_unscored: As in ``pack``.
            vocab_size: As in ``pack``.

        Raises:
            PipelineError: A setting is impossible.

        >>> import resumable_data as rd
        >>> source = rd.InMemorySource([{"tokens": [5, 6, 7], "loss_mask": [0, 1, 1]}])
        >>> answers = rd.Dataset.from_source(source).append_eod(9, fields={"loss_mask": 1})
        >>> (batch,) = answers.pad(5, fields=["loss_mask"]).batch(1)
        >>> batch.targets.tolist(), batch.targets_segmentation.tolist(), batch.inputs_segmentation.tolist()
        ([[5, 6, 7, 9, 0]], [[0, 1, 1, 1, 0]], [[1, 1, 1, 1, 0]])
        """
        self._before_prefetch("pad")
        rows = RowSettings.of(
            "pad",
            self.node,
            length=length,
            eod_id=eod_id,
            pad_id=pad_id,
            fields=fields,
            loss_mask=loss_mask,
            labels=labels,
            truncate=truncate,
            drop_unscored=drop_unscored,
            tokens=tokens,
            vocab_size=vocab_size,
        )
        return RowDataset(Pad(self.node, rows))

    @override
    def _known_count(self) -> int | None:
        node = self.node
        if isinstance(node, Component) and node.random_access and node.epochs and not node.drops:
            return node.epochs * node.epoch_size
        return None

    @override
    def _element_struct(self) -> PyTree:
        raise PipelineError("documents have no shape in common: ask for the element spec after pack or pad")

    @override
    def _engine(self, catalog: Catalog, history: RunHistory, worker: Worker) -> Engine[Plan, Cursor, ElementT]:
        planner = self.node.open(OpenContext(None, growth=history.growth), catalog, self.node.component)
        return document_engine(planner, catalog.readers)
