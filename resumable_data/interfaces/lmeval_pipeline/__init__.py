"""Requests of the evaluation harness as batches, with the interface of ``xlstm_jax.dataset.lmeval_pipeline``.

It needs the extras ``grain`` and ``text``. ``docs/evaluation.md`` says how to evaluate. ``docs/migration.md`` says
where it differs from the original, and why.
"""

from resumable_data.interfaces.lmeval_pipeline.adapter import RequestScorer, as_harness_model
from resumable_data.interfaces.lmeval_pipeline.aggregate import Score, aggregate
from resumable_data.interfaces.lmeval_pipeline.complete import CompleteLLMIndexedBatch, empty_llm_indexed_sample
from resumable_data.interfaces.lmeval_pipeline.evaluation import Evaluation
from resumable_data.interfaces.lmeval_pipeline.pad_batch import PadBatchDataset
from resumable_data.interfaces.lmeval_pipeline.pad_batch import pad_batch_multiple as _pad_batch_multiple
from resumable_data.interfaces.lmeval_pipeline.pad_sequence import PadSequenceInBatchDataset
from resumable_data.interfaces.lmeval_pipeline.parse import ParseLMEval
from resumable_data.interfaces.lmeval_pipeline.pipeline import LOGGER, lmeval_preprocessing_pipeline
from resumable_data.interfaces.lmeval_pipeline.remap import MultihostSortedRemapDataset
from resumable_data.interfaces.lmeval_pipeline.saved_evaluation import run_saved
from resumable_data.interfaces.lmeval_pipeline.scoring import TokenScores, score_logits
from resumable_data.interfaces.lmeval_pipeline.sort import SortedDataset, token_length
from resumable_data.interfaces.lmeval_pipeline.windows import Window, split_into_windows

__all__ = [
    "LOGGER",
    "CompleteLLMIndexedBatch",
    "Evaluation",
    "MultihostSortedRemapDataset",
    "PadBatchDataset",
    "PadSequenceInBatchDataset",
    "ParseLMEval",
    "RequestScorer",
    "Score",
    "SortedDataset",
    "TokenScores",
    "Window",
    "_pad_batch_multiple",
    "aggregate",
    "as_harness_model",
    "empty_llm_indexed_sample",
    "lmeval_preprocessing_pipeline",
    "run_saved",
    "score_logits",
    "split_into_windows",
    "token_length",
]
