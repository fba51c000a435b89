"""Evaluations of requests by a function in place of a model, and their expected scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from property_tests.testing.toy_tokenizer import BOS_ID, alone
from resumable_data.batch import LLMIndexedBatch
from resumable_data.lmeval_pipeline import Evaluation, Score, TokenScores, lmeval_preprocessing_pipeline

WEIGHT = jnp.float32(0.5)


def score(weight: Any, batch: LLMIndexedBatch) -> TokenScores:
    """Returns a log-probability that depends on a token and the one before it."""
    return TokenScores(-weight * (batch.targets + 3 * batch.inputs), batch.targets % 2 == 0)


def expected(requests: Sequence[Any]) -> list[Score]:
    """Returns the scores, one request at a time."""
    scores = []
    for request in requests:
        text, prefix = alone(request.args[-1]), alone(request.args[0]) if len(request.args) == 2 else []
        whole = [BOS_ID, *prefix, *text]
        total = sum(-0.5 * (b + 3 * a) for a, b in zip(whole[len(prefix) :], text, strict=False))
        scores.append(Score(total, all(token % 2 == 0 for token in text), len(text)))
    return scores


def batches(requests: Any, tokenizer: str, devices: int = 2, **settings: Any) -> Any:
    """Makes batches of four rows."""
    mesh = Mesh(np.array(jax.devices()[:devices]), "data")
    given = {"global_batch_size": 4, "padding_multiple": 8, **settings}
    return lmeval_preprocessing_pipeline(0, 1, mesh, requests, tokenizer_path=tokenizer, **given)


def evaluation(requests: Any, tokenizer: str, model: str = "", **settings: Any) -> Evaluation:
    """Makes an evaluation that has not begun."""
    return Evaluation(batches(requests, tokenizer, **settings), score, WEIGHT, model=model)
