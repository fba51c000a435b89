"""The graph of a pipeline: what its nodes may be, and the iterator that it opens to."""

from __future__ import annotations

from typing import Any, cast

from resumable_data.checkpoint.stateful import CheckpointableIterator
from resumable_data.engines.elements import RowEngine
from resumable_data.engines.filtered_documents import document_engine
from resumable_data.engines.worker import Worker, WorkerEngine
from resumable_data.iteration.companions import Companions
from resumable_data.iteration.iterator import DataIterator
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.documents import ChainStage
from resumable_data.stages.mix import MixDocuments, MixRows
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.pack import Pack
from resumable_data.stages.pad import Pad
from resumable_data.stages.prefetch import Prefetch
from resumable_data.stages.shift import Shift
from resumable_data.stages.unbatch import Unbatch

Rows = Pack | Pad | Shift | MixRows
Documents = ChainStage | MixDocuments
Node = Documents | Rows | Batch | Unbatch | Prefetch


def open_iterator(node: Node, worker: Worker) -> DataIterator[Any]:
    """An iterator over the elements of a node, of which those of other workers are None."""
    ahead = node.ahead if isinstance(node, Prefetch) else 0
    node = cast(Node, node.parent) if isinstance(node, Prefetch) else node
    catalog = Catalog()
    if isinstance(node, Batch | Unbatch):
        engine: Any = node.open_engine(catalog)
    elif isinstance(node, ChainStage | MixDocuments):
        planner = node.open(OpenContext(with_lengths=False), catalog, node.component)
        engine = document_engine(planner, catalog.readers)
    else:
        rows = cast(Rows, node)
        engine = RowEngine(rows.open(OpenContext(), catalog, rows.component), catalog.readers, rows.format)
    if worker.count > 1:
        engine = WorkerEngine(engine, worker)
    together = isinstance(node, Batch) and node.view.processes
    return CheckpointableIterator(engine, catalog.description, ahead, Companions(engine) if together else None)


def is_stream(node: Documents | Rows) -> bool:
    """Whether the documents come from a source without random access, which no mix takes."""
    while not isinstance(node, ChainStage | MixDocuments | MixRows):
        node = cast(Documents | Rows, node.parent)
    return isinstance(node, ChainStage) and not node.random_access
