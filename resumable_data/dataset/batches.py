"""``BatchDataset``: pipelines of global batches, and what each process gets of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar, cast

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh, NamedSharding
from typing_extensions import override

from resumable_data.answers.asked import Asked
from resumable_data.answers.explain import explain
from resumable_data.arguments import as_function, as_integer, as_number, as_path, kind_of, optional, shown
from resumable_data.batch import LLMBatch
from resumable_data.dataset.dataset import Dataset
from resumable_data.engines.batches import Length
from resumable_data.engines.engine import Engine
from resumable_data.engines.worker import Worker
from resumable_data.errors import PipelineError
from resumable_data.iteration.iterator import DataIterator
from resumable_data.iteration.run_report import Explain
from resumable_data.opaque import Cursor, Document, Plan, PyTree
from resumable_data.placement.placed_rows import PlacedRows
from resumable_data.placement.process_rows_view import ProcessRows
from resumable_data.placement.sharding import as_sharding, check_shape
from resumable_data.placement.views import View, WholeBatch
from resumable_data.reading.measuring import KEPT_BYTES
from resumable_data.run_history import RunHistory
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.measure import Sharing
from resumable_data.stages.unbatch import Unbatch

BatchT = TypeVar("BatchT")
OutT = TypeVar("OutT")


@dataclass(frozen=True, repr=False)
class BatchDataset(Dataset[BatchT], Asked, Generic[BatchT]):
    """A pipeline of global batches. Iterating over it gives whole ones, or this process's part after ``place``.

    >>> import resumable_data as rd
    >>> rows = rd.Dataset.from_source(rd.InMemorySource([[5, 6], [7], [8, 9]])).pad(2, eod_id=0)
    >>> [batch.targets.tolist() for batch in rows.batch(2, drop_remainder=False)]
    [[[5, 6], [7, 0]], [[8, 9], [0, 0]]]
    """

    node: Batch

    def map_batches(self, function: Callable[[BatchT], OutT]) -> BatchDataset[OutT]:
        """Applies a pure function to every batch that this process gets: placed, or its rows.

        It does not change the order, and may change between save and restore.

        Args:
            function: From a batch to any pytree of arrays, or ``jax.jit`` of one. If batches are prefetched, it runs
                in the thread that loads them.

        >>> import resumable_data as rd
        >>> rows = rd.Dataset.from_source(rd.InMemorySource([[5, 6], [7]])).pack(4, eod_id=0)
        >>> [batch.tolist() for batch in rows.batch(1).map_batches(lambda batch: batch.targets)]
        [[[5, 6, 7, 0]]]
        """
        self._before_prefetch("map_batches")
        function = as_function("map_batches: function", function)
        return BatchDataset(replace(self.node, functions=(*self.node.functions, function)))

    def shard(self, process_index: int, process_count: int) -> BatchDataset[BatchT]:
        """Gives one process its rows, in NumPy: ``[i * G / n, (i + 1) * G / n)`` of every batch of G rows.

        It asks nothing of the other processes. So if documents have to be read for their lengths to be known, it
        reads all of them, unless ``measure`` names a directory. ``shard_by_jax_process`` reads its share.

        Raises:
            PipelineError: The batch cannot be divided; the message lists the counts that would work.
        """
        index, count = (
            as_integer(f"shard: {name}", given)
            for name, given in (("process_index", process_index), ("process_count", process_count))
        )
        return self._sharded("shard", ProcessRows(index, count))

    def shard_by_jax_process(self, processes: Sequence[int] | None = None) -> BatchDataset[BatchT]:
        """Gives each of JAX's processes its rows, in NumPy, as ``shard`` does.

        The processes deliver batches together, as they do after ``place``. They compare their positions before the
        first batch, so they start their iterators in the same order. For that a process waits for the others for up
        to an hour, with a warning every minute. If documents have to be read for their lengths to be known, each
        process reads its share and tells the others; see ``measure``.

        Args:
            processes: Indices of the processes that take part, by default all. Rows are dealt to them in ascending
                order.

        Raises:
            PipelineError: The batch cannot be divided, or this process is not among them.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2]]))
        >>> [batch.targets.tolist() for batch in documents.pad(2, eod_id=0).batch(2).shard_by_jax_process()]
        [[[1, 0], [2, 0]]]
        """
        together = _processes("shard_by_jax_process: processes", processes)
        if jax.process_index() not in together:
            raise PipelineError(f"shard_by_jax_process: process {jax.process_index()} is not among {list(together)}")
        view = ProcessRows(together.index(jax.process_index()), len(together), together if len(together) > 1 else ())
        return self._sharded("shard_by_jax_process", view)

    def place(self, where: Mesh | NamedSharding) -> BatchDataset[BatchT]:
        """Makes batches of global ``jax.Array``. Each process reads only the rows of which its devices hold a part.

        The processes that have devices of the mesh deliver batches together, as after ``shard_by_jax_process``.

        Args:
            where: The sharding of arrays of shape (batch, length). Or a mesh: rows are then laid out over all its
                axes.

        Raises:
            PipelineError: The batch cannot be laid out so.
        """
        sharding, length = as_sharding(where), self.node.parent.format.length
        for size in self.node.schedule.sizes:
            check_shape(sharding, (size, length))
        return self._viewed("place", PlacedRows(sharding, length))

    def measure(
        self,
        directory: epath.PathLike | None = None,
        *,
        kept_bytes: int = KEPT_BYTES,
        timeout_seconds: float = 60.0,
    ) -> BatchDataset[BatchT]:
        """Says how documents are measured whose lengths show only when they are read; the order stays.

        Processes that deliver batches together (``place``, ``shard_by_jax_process``) each measure a share, and tell
        each other the lengths through JAX's coordination service. With a directory they use files instead, and so can
        the processes of ``shard``, and Grain's workers. The files stay: a run that is resumed need not read documents
        to measure them again.

        Args:
            directory: Where the lengths are kept: one to two bytes a document. All processes must be able to write
                there.
            kept_bytes: Bound on the tokens that a process keeps between measuring and delivering, over all
                components. What does not fit is read twice, and a warning says so.
            timeout_seconds: How long a process waits for the lengths of others before it measures the documents
                itself, which is slower and gives the same.

        Raises:
            PipelineError: A number is negative.
        """
        self._before_prefetch("measure")
        sharing = Sharing(
            optional(as_path, "measure: directory", directory),
            as_integer("measure: kept_bytes", kept_bytes),
            as_number("measure: timeout_seconds", timeout_seconds),
        )
        return BatchDataset(replace(self.node, sharing=sharing))

    def unbatch(self, steps: int | None = None) -> UnbatchedDataset:
        """Gives the rows of these batches one by one, for those who make batches themselves.

        After ``shard`` these are the rows of one process, ``G / n`` of every batch of G. A last batch that is not
        full is dropped or filled up as in ``batch``.

        Args:
            steps: Stop after so many batches; by default after the last.

        Raises:
            PipelineError: The batches are placed, or of several sizes, or ``map_batches`` changes them.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3], [4], [5]]))
        >>> batches = documents.pad(2, eod_id=0).batch(4)
        >>> [row.targets.tolist() for row in batches.shard(1, 2).unbatch()]
        [[3, 0], [4, 0]]
        """
        steps = optional(as_integer, "unbatch: steps", steps)
        self._before_prefetch("unbatch")
        return UnbatchedDataset(Unbatch(self.node, steps))

    def batch_struct(self, step: int = 0) -> PyTree:
        """Gives shapes and dtypes of a step's batch, as ``jax.ShapeDtypeStruct``, to compile ahead of time."""
        return self.node.struct(as_integer("batch_struct: step", step))

    def length(self, at_most: int = 1_000_000) -> Length:
        """Counts the global batches, by planning alone: nothing is read if lengths are known.

        Args:
            at_most: Documents to plan, at about a microsecond each. The length of a longer pipeline is estimated from
                so many.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.SyntheticSource(1000, lengths=[5, 9])).repeat(3)
        >>> documents.pack(16, eod_id=0).batch(8).length()
        Length(steps=185, exact=True)
        """
        at_most = as_integer("length: at_most", at_most)
        if at_most < 1:
            raise PipelineError(f"length: at_most={at_most} must be at least 1 document")
        with closing(replace(self.node, view=WholeBatch()).open_engine(Catalog())) as engine:
            return engine.length(at_most)

    @override
    def __iter__(self) -> DataIterator[BatchT]:
        whole = isinstance(self.node.view, WholeBatch)
        if whole and jax.distributed.is_initialized() and jax.process_count() > 1:
            warnings.warn(
                f"each of the {jax.process_count()} processes gets whole batches. For a part each, use place(…) or "
                "shard_by_jax_process(); if whole batches are meant, shard(0, 1) says so",
                stacklevel=2,
            )
        return super().__iter__()

    @override
    def _known_count(self) -> int | None:
        if not self.node.parent.lengths_known:
            return None
        length = self.length()
        return length.steps if length.exact else None

    @override
    def _element_struct(self) -> PyTree:
        return self.node.struct(0)

    @override
    def _engine(self, catalog: Catalog, history: RunHistory, worker: Worker) -> Engine[Plan, Cursor, BatchT]:
        return self.node.open_engine(catalog, history, worker)

    @override
    def _shards_of(self, saved: int | None) -> int | None:
        return self.node.shards_of(saved)

    @property
    @override
    def _bound(self) -> bool:
        return isinstance(self.node.view, PlacedRows) or bool(self.node.view.processes)

    @property
    @override
    def _processes(self) -> tuple[int, ...]:
        return self.node.view.processes

    @property
    @override
    def _explain(self) -> Explain:
        return partial(explain, self.node)

    def _sharded(self, method: str, view: ProcessRows) -> BatchDataset[BatchT]:
        view.check(method, self.node.schedule.sizes)
        return self._viewed(method, view)

    def _viewed(self, method: str, view: View) -> BatchDataset[BatchT]:
        """Returns the batches as one process sees them."""
        self._before_prefetch(method)
        if not isinstance(self.node.view, WholeBatch):
            raise PipelineError(f"{method}: this pipeline is sharded or placed already")
        return BatchDataset(replace(self.node, view=view))


@dataclass(frozen=True, repr=False)
class UnbatchedDataset(Dataset[Document]):
    """A pipeline of the rows of batches, each as the batch is. Iterating over it gives them one by one."""

    node: Unbatch

    @override
    def _element_struct(self) -> PyTree:
        return row_struct(self.node.parent)

    @override
    def _engine(self, catalog: Catalog, history: RunHistory, worker: Worker) -> Engine[Plan, Cursor, Any]:
        return self.node.open_engine(catalog, history, worker)

    @override
    def _shards_of(self, saved: int | None) -> int | None:
        return self.node.shards_of(saved)


def row_struct(batch: Batch) -> PyTree:
    """Returns shapes and dtypes of a row of a batch."""

    def of_row(leaf: PyTree) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype)

    row = jax.tree.map(of_row, batch.struct(0))
    if not isinstance(row, LLMBatch):
        return row
    return row.replace(_document_borders=jax.ShapeDtypeStruct((batch.parent.format.length,), np.bool_))


def _processes(what: str, given: object) -> tuple[int, ...]:
    """Returns the processes of JAX that take part, ascending; by default all."""
    if given is None:
        return tuple(range(jax.process_count()))
    if not isinstance(given, Iterable):
        raise PipelineError(f"{what}={shown(given)} must be a list of process indices, not {kind_of(given)}")
    return tuple(sorted({as_integer(what, process) for process in cast(Iterable[object], given)}))
