"""``RowDataset``: pipelines of packed or padded rows, which ``batch`` makes batches of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

from typing_extensions import override

from resumable_data.arguments import as_bool, as_integer
from resumable_data.assembly.as_dict import HUGGING_FACE, Preset
from resumable_data.batch import LLMBatch
from resumable_data.dataset.batches import BatchDataset, row_struct
from resumable_data.dataset.dataset import Dataset
from resumable_data.engines.elements import RowEngine
from resumable_data.engines.engine import Engine
from resumable_data.engines.worker import Worker
from resumable_data.errors import PipelineError
from resumable_data.opaque import Cursor, JsonDict, Plan, PyTree
from resumable_data.order.schedule import BatchSchedule
from resumable_data.planning.packed_rows import PackedRows, PackingReport
from resumable_data.reading.measuring import Measuring
from resumable_data.run_history import RunHistory
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.shift import Shift, Side
from resumable_data.stages.stage import RowStage

BatchT = TypeVar("BatchT", bound=LLMBatch)


@dataclass(frozen=True, repr=False)
class RowDataset(Dataset[LLMBatch]):
    """A pipeline of rows. Iterating over it gives them one by one, as an ``LLMBatch`` without the batch axis.

    >>> import resumable_data as rd
    >>> rows = rd.Dataset.from_source(rd.InMemorySource([[5, 6], [7], [8, 9]])).pack(4, eod_id=0)
    >>> [row.targets.tolist() for row in rows]
    [[5, 6, 8, 9], [7, 0, 0, 0]]
    """

    node: RowStage

    def shift(self, what: Side = "inputs") -> RowDataset:
        """Chooses which side is shifted to make inputs and targets of a row's text.

        Args:
            what: ``"inputs"`` (to the right, the default), ``"targets"`` (to the left; the last token of a document
                has no target) or ``"none"``.
        """
        self._before_prefetch("shift")
        return RowDataset(Shift(self.node, what))

    @overload
    def batch(
        self,
        size: int | BatchSchedule,
        *,
        drop_remainder: bool = True,
        batch_type: type[BatchT] = LLMBatch,
        shards: int | None = None,
        sources: bool = False,
        as_dict: Literal[False] = False,
    ) -> BatchDataset[BatchT]: ...

    @overload
    def batch(
        self,
        size: int | BatchSchedule,
        *,
        drop_remainder: bool = True,
        shards: int | None = None,
        sources: bool = False,
        as_dict: Literal[True] | Preset | Mapping[str, str],
    ) -> BatchDataset[JsonDict]: ...

    def batch(
        self,
        size: int | BatchSchedule,
        *,
        drop_remainder: bool = True,
        batch_type: type[LLMBatch] = LLMBatch,
        shards: int | None = None,
        sources: bool = False,
        as_dict: bool | str | Mapping[str, str] = False,
    ) -> BatchDataset[Any]:
        """Makes global batches of the rows.

        Args:
            size: Rows a batch, over all processes: a number, or a schedule that changes it over the run.
            drop_remainder: Drop the rows that do not fill a last batch. Otherwise that batch is filled up with rows
                without a scored token. ``progress().dropped_rows`` counts what was dropped.
            batch_type: ``LLMBatch``, or after ``pad`` ``LLMIndexedBatch``, whose ``document_idx`` is the
                index of the record in its source plus one.
            shards: Number of logical shards, if documents have to be read for their lengths to be known. Each process
                measures the documents of its own shards. The number decides the order, as the number of processes
                does not. It need not divide the batch. By default it is the largest number from 33 to 64 that divides
                the largest batch; else 64, or the batch itself if that is smaller. A run that is resumed keeps its
                own. If lengths are known it has no effect.
            sources: Add ``fields["source"]``, the component of each token: its place among ``iterator.components``,
                from 1; 0 on padding. It may change between save and restore.
            as_dict: Make batches dictionaries of arrays. True gives all fields under their own names; ``"maxtext"``,
                ``"flax"`` and ``"huggingface"`` give the names that these trainers know; a mapping gives for each key
                the name of a field. Besides the fields of the batch there are ``"weights"`` (float32, the loss mask),
                ``"labels"`` (targets, -100 where they are not scored), ``"attention_mask"`` (1 where there is a
                token) and ``"document_borders"``. For ``"huggingface"`` rows are not shifted, since models of
                ``transformers`` do that. It may change between save and restore.

        Raises:
            PipelineError: A setting is impossible.

        >>> import resumable_data as rd
        >>> rows = rd.Dataset.from_source(rd.InMemorySource([[5, 6], [7]])).pack(4, eod_id=0)
        >>> (batch,) = rows.batch(1, as_dict="huggingface")
        >>> {name: array.tolist()[0] for name, array in batch.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'input_ids': [5, 6, 7, 0], 'labels': [-100, 6, -100, -100], 'position_ids': [0, 1, 0, 0],
         'attention_mask': [1, 1, 1, 0]}
        """
        schedule = size if isinstance(size, BatchSchedule) else BatchSchedule(as_integer("batch: size", size))
        self._before_prefetch("batch")
        rows = self.node
        if isinstance(as_dict, str) and as_dict == HUGGING_FACE and rows.format.shift != "none":
            rows = Shift(rows, "none")
        if shards is not None:
            shards = as_integer("batch: shards", shards)
        elif not rows.random_access:
            shards = 1
        drop_remainder = as_bool("batch: drop_remainder", drop_remainder)
        sources = as_bool("batch: sources", sources)
        return BatchDataset(Batch(rows, schedule, drop_remainder, batch_type, shards, sources, as_dict))

    def packing(self, windows: int = 8) -> PackingReport:
        """Reports how the first windows fill their rows: a dry run of ``pack`` or ``pad``.

        It reads nothing if lengths are known. It reads the documents of these windows if they are not, or if a loss
        mask says which tokens are scored.

        Raises:
            PipelineError: These are the rows of a mix, or ``windows`` is below 1.

        >>> import resumable_data as rd
        >>> source = rd.SyntheticSource(10**6, lengths=rd.log_normal_lengths(540))
        >>> report = rd.Dataset.from_source(source).shuffle(7).pack(2048, eod_id=0).packing()
        >>> report.padding < 0.001, report.split
        (True, 1055)
        """
        windows = as_integer("packing: windows", windows)
        if windows < 1:
            raise PipelineError(f"packing: windows={windows} must be at least 1")
        context = OpenContext(Measuring.alone(), reads_counts=self.node.format.learnt is not None)
        planner = self.node.open(context, Catalog(), self.node.component)
        if not isinstance(planner, PackedRows):
            raise PipelineError(f"packing reports on the rows of pack or pad, not of {self.node.name}")
        return planner.report(windows)

    @override
    def _element_struct(self) -> PyTree:
        return row_struct(Batch(self.node, BatchSchedule(1), True, LLMBatch))

    @override
    def _engine(self, catalog: Catalog, history: RunHistory, worker: Worker) -> Engine[Plan, Cursor, LLMBatch]:
        rows, measuring = self.node, Measuring.alone()
        planner = rows.open(OpenContext(measuring, growth=history.growth), catalog, rows.component)
        return RowEngine(planner, catalog.readers, rows.format, measuring, rows.lengths_known)
