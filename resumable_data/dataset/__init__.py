"""Pipelines: ``Dataset`` and its three phases, of documents, of rows and of batches."""

from resumable_data.dataset.batches import BatchDataset, UnbatchedDataset
from resumable_data.dataset.dataset import Dataset
from resumable_data.dataset.documents import DocumentDataset
from resumable_data.dataset.explaining import explain
from resumable_data.dataset.mixing import mix
from resumable_data.dataset.rows import RowDataset

__all__ = ["BatchDataset", "Dataset", "DocumentDataset", "RowDataset", "UnbatchedDataset", "explain", "mix"]
