"""Data sets of text or tokens made into batches, behind the interface of ``xlstm_jax.dataset.grain_data_processing``.

``docs/migration.md`` says where this differs from the original, and why.
"""

import logging

from resumable_data.grain_data_processing.configs import (
    DataConfig,
    GrainArrayRecordsDataConfig,
    HFHubDataConfig,
    SyntheticDataConfig,
    TextDataConfig,
)
from resumable_data.grain_data_processing.iterator import make_grain_iterator
from resumable_data.grain_data_processing.loading import load_array_record_dataset, load_huggingface_dataset
from resumable_data.grain_data_processing.padded import PaddedDataset, pad_dataset
from resumable_data.grain_data_processing.preprocess import preprocess_dataset

LOGGER = logging.getLogger(__name__)

__all__ = [
    "LOGGER",
    "DataConfig",
    "GrainArrayRecordsDataConfig",
    "HFHubDataConfig",
    "PaddedDataset",
    "SyntheticDataConfig",
    "TextDataConfig",
    "load_array_record_dataset",
    "load_huggingface_dataset",
    "make_grain_iterator",
    "pad_dataset",
    "preprocess_dataset",
]
