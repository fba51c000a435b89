"""Batches of text or token data sets, with the interface of ``xlstm_jax.dataset.grain_data_processing``.

From ``xlstm_jax.dataset`` it also has the configs, ``create_data_iterator``, ``create_mixed_data_iterator``,
``DataIterator`` and ``load_tokenizer``. ``docs/migration.md`` says where it differs from the original, and why.
"""

import logging

from resumable_data.interfaces.grain_data_processing.configs import (
    DataConfig,
    GrainArrayRecordsDataConfig,
    HFHubDataConfig,
    SyntheticDataConfig,
    TextDataConfig,
)
from resumable_data.interfaces.grain_data_processing.create import (
    DataIterator,
    create_data_iterator,
    create_mixed_data_iterator,
)
from resumable_data.interfaces.grain_data_processing.iterator import make_grain_iterator
from resumable_data.interfaces.grain_data_processing.loading import (
    load_array_record_dataset,
    load_huggingface_dataset,
)
from resumable_data.interfaces.grain_data_processing.padded import PaddedDataset, pad_dataset
from resumable_data.interfaces.grain_data_processing.preprocess import preprocess_dataset
from resumable_data.interfaces.grain_data_processing.tokenizer import load_tokenizer

LOGGER = logging.getLogger("resumable_data.grain_data_processing")

__all__ = [
    "LOGGER",
    "DataConfig",
    "DataIterator",
    "GrainArrayRecordsDataConfig",
    "HFHubDataConfig",
    "PaddedDataset",
    "SyntheticDataConfig",
    "TextDataConfig",
    "create_data_iterator",
    "create_mixed_data_iterator",
    "load_array_record_dataset",
    "load_huggingface_dataset",
    "load_tokenizer",
    "make_grain_iterator",
    "pad_dataset",
    "preprocess_dataset",
]
