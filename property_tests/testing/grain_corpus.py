"""The config with which tests of ``grain_data_processing`` read their corpus."""

from __future__ import annotations

from typing import Any

from resumable_data.grain_data_processing import GrainArrayRecordsDataConfig


def tokens(corpus: Any, **settings: Any) -> GrainArrayRecordsDataConfig:
    """Makes a config of tokenized ArrayRecord files, 70 documents for training and 20 for validation."""
    plain: dict[str, Any] = {
        "data_path": corpus.pretokenized,
        "tokenize_data": False,
        "tokenizer_path": str(corpus.tokenizer),
        "global_batch_size": 8,
        "max_target_length": 16,
        "shuffle_data": True,
        "drop_remainder": True,
    }
    return GrainArrayRecordsDataConfig(**(plain | settings))
