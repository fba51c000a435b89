"""What a user is told who calls a method of another phase, such as ``batch`` of documents."""

from __future__ import annotations

from typing import NoReturn

from resumable_data.dataset.batches import BatchDataset
from resumable_data.dataset.dataset import Dataset
from resumable_data.dataset.documents import DocumentDataset
from resumable_data.dataset.rows import RowDataset
from resumable_data.errors import StageOrderError
from resumable_data.opaque import Document

_PLACES: tuple[tuple[type[Dataset[Document]], str], ...] = (
    (DocumentDataset, "works on documents and comes before pack and batch"),
    (RowDataset, "works on rows and comes after pack or pad"),
    (BatchDataset, "works on batches and comes after batch"),
)


def refuse(dataset: Dataset[Document], name: str) -> NoReturn:
    """Raises the error for an attribute that a dataset does not have.

    Raises:
        StageOrderError: Datasets of another phase have it; the message says where it belongs.
        AttributeError: No dataset has it.
    """
    if not name.startswith("_"):
        for phase, place in _PLACES:
            if hasattr(phase, name):
                raise StageOrderError(f"{name} {place}, not after {dataset.node.name}")
    raise AttributeError(f"{type(dataset).__name__!r} object has no attribute {name!r}", name=name, obj=dataset)
