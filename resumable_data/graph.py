"""The graph of a pipeline: what its nodes may be, and the iterator that it opens to."""

from __future__ import annotations

from typing import Any, cast

from resumable_data.checkpoint.stateful import CheckpointableIterator
from resumable_data.iteration.companions import Companions
from resumable_data.iteration.iterator import DataIterator
from resumable_data.iteration.worker import Worker, WorkerEngine
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import Component
from resumable_data.stages.elements import RowEngine
from resumable_data.stages.kept_documents import document_engine
from resumable_data.stages.mix import MixDocuments, MixRows
from resumable_data.stages.pack import Pack
from resumable_data.stages.pad import Pad
from resumable_data.stages.prefetch import Prefetch
from resumable_data.stages.shift import Shift
from resumable_data.stages.stage import Opening
from resumable_data.stages.unbatch import Unbatch
from resumable_data.state import Description

Rows = Pack | Pad | Shift | MixRows
DocumentNode = Component | MixDocuments
Node = DocumentNode | Rows | Batch | Unbatch | Prefetch


def open_iterator(node: Node, worker: Worker) -> DataIterator[Any]:
    """An iterator over the elements of a node, of which those of other workers are None."""
    ahead = node.ahead if isinstance(node, Prefetch) else 0
    node = cast(Node, node.parent) if isinstance(node, Prefetch) else node
    opening = Opening(with_lengths=not isinstance(node, Component | MixDocuments))
    if isinstance(node, Batch | Unbatch):
        engine: Any = node.engine(opening)
    elif isinstance(node, Component | MixDocuments):
        engine = document_engine(node.open(opening, node.component), opening.readers)
    else:
        rows = cast(Rows, node)
        engine = RowEngine(rows.open(opening, rows.component), opening.readers, rows.format)
    description = Description(opening.components, opening.shared, opening.algorithms)
    if worker.count > 1:
        engine = WorkerEngine(engine, worker)
    together = isinstance(node, Batch) and node.view.processes
    return CheckpointableIterator(engine, description, ahead, Companions(engine) if together else None)


def is_stream(node: DocumentNode | Rows) -> bool:
    """Whether the documents come from a source without random access, which no mix takes."""
    while not isinstance(node, Component | MixDocuments | MixRows):
        node = cast(DocumentNode | Rows, node.parent)
    return isinstance(node, Component) and not node.random_access
