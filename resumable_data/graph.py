"""The graph of a pipeline: what its nodes may be, and the iterator that it opens to."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from resumable_data.answers.explain import explain
from resumable_data.checkpoint.stateful import CheckpointableIterator
from resumable_data.engines.elements import RowEngine
from resumable_data.engines.filtered_documents import document_engine
from resumable_data.engines.worker import Worker, WorkerEngine
from resumable_data.iteration.agreed_start import AgreedStart
from resumable_data.iteration.iterator import DataIterator
from resumable_data.iteration.opened import Opened
from resumable_data.reading.measuring import Measuring
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.component import Component
from resumable_data.stages.mix import MixDocuments, MixRows
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.pack import Pack
from resumable_data.stages.pad import Pad
from resumable_data.stages.prefetch import Prefetch, without_prefetch
from resumable_data.stages.shift import Shift
from resumable_data.stages.unbatch import Unbatch

Rows = Pack | Pad | Shift | MixRows
DocumentNode = Component | MixDocuments
Node = DocumentNode | Rows | Batch | Unbatch | Prefetch


def open_iterator(node: Node, worker: Worker) -> DataIterator[Any]:
    """An iterator over the elements of a node, of which those of other workers are None."""
    ahead = node.ahead if isinstance(node, Prefetch) else 0
    node = cast(Node, without_prefetch(node))
    together, explanation = (node.view.processes, partial(explain, node)) if isinstance(node, Batch) else ((), None)
    start = AgreedStart(together)
    return CheckpointableIterator(partial(_open, node, worker), ahead, start, explanation, pipeline=node)


def _open(node: Node, worker: Worker, shards: int | None) -> Opened[Any]:
    """What plans and loads the elements of a node, in a run of so many logical shards; None for one that begins."""
    catalog = Catalog()
    if isinstance(node, Batch | Unbatch):
        engine: Any = node.open_engine(catalog, shards, worker)
    elif isinstance(node, Component | MixDocuments):
        planner = node.open(OpenContext(None), catalog, node.component)
        engine = document_engine(planner, catalog.readers)
    else:
        rows, measuring = cast(Rows, node), Measuring.alone()
        planner = rows.open(OpenContext(measuring), catalog, rows.component)
        engine = RowEngine(planner, catalog.readers, rows.format, measuring, rows.lengths_known)
    if worker.count > 1:
        engine = WorkerEngine(engine, worker)
    shards = node.shards_of(shards) if isinstance(node, Batch | Unbatch) else None
    return Opened(engine, catalog.description, shards, tuple(catalog.resources), catalog.left_out)


def is_stream(node: DocumentNode | Rows) -> bool:
    """Whether the documents come from a source without random access, which no mix takes."""
    while not isinstance(node, Component | MixDocuments | MixRows):
        node = cast(DocumentNode | Rows, node.parent)
    return isinstance(node, Component) and not node.random_access
