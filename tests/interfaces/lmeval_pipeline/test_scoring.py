"""Scores of targets, and their sums a row, which depend only on the scored tokens."""

from __future__ import annotations

import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from resumable_data.batch import LLMIndexedBatch
from resumable_data.interfaces.lmeval_pipeline.scoring import BatchScorer, RowScores
from resumable_data.interfaces.multihost_dataloading.global_arrays import form_global
from resumable_data.lmeval_pipeline import TokenScores, score_logits

MESH = Mesh(np.array(jax.devices()[:2]), "data")


def batch(scored: list[list[int]], documents: list[int]) -> LLMIndexedBatch:
    mask = np.array(scored, np.int32)
    positions = np.broadcast_to(np.arange(mask.shape[1], dtype=np.int32), mask.shape)
    ids = np.array(documents, np.int32)
    return LLMIndexedBatch(
        inputs=positions,
        targets=positions + 1,
        inputs_position=positions,
        inputs_segmentation=np.ones_like(mask),
        targets_position=positions,
        targets_segmentation=mask,
        document_idx=ids,
        sequence_idx=ids * 0,
    )


def placed(of: LLMIndexedBatch) -> LLMIndexedBatch:
    return jax.tree.map(lambda array: form_global(array, MESH), of)


def test_logits_give_the_probability_of_a_target_and_whether_it_is_the_most_probable() -> None:
    logits = jnp.array([[[0.0, 1.0, 2.0], [5.0, 1.0, 5.0]]], jnp.bfloat16)
    found = score_logits(logits, np.array([[2, 1]]))

    expected = jax.nn.log_softmax(np.array([[[0.0, 1.0, 2.0], [5.0, 1.0, 5.0]]], np.float32))
    np.testing.assert_allclose(found.log_probs, [[expected[0, 0, 2], expected[0, 1, 1]]], rtol=1e-6)
    assert found.log_probs.dtype == jnp.float32
    assert np.asarray(found.is_greedy).tolist() == [[True, False]]


def test_what_is_not_scored_and_rows_of_padding_do_not_count() -> None:
    of = batch([[0, 1, 1], [1, 0, 0], [1, 1, 1], [0, 0, 0]], [3, 1, 0, 2])
    log_probs = np.array([[np.nan, -1.0, -2.0], [-4.0, np.inf, -9.0], [-7.0] * 3, [-7.0] * 3], np.float32)
    greedy = np.array([[True, True, False], [True, True, True], [True] * 3, [True] * 3])

    assert RowScores.of(TokenScores(log_probs, greedy), of) == RowScores(
        [3, 1, 2], [0, 0, 0], [-3.0, -4.0, 0.0], [2, 1, 0], [1, 1, 0]
    )
    assert RowScores.of(TokenScores(log_probs), of).correct is None


def test_sums_are_exact_and_padding_changes_none() -> None:
    random = np.random.default_rng(3)
    log_probs = -random.random((1, 200)).astype(np.float32) * 10.0 ** random.integers(-8, 8, 200)
    (found,) = RowScores.of(TokenScores(log_probs), batch([[1] * 200], [1])).log_probs
    wide = np.pad(log_probs, ((0, 0), (0, 56)))
    (other,) = RowScores.of(TokenScores(wide), batch([[1] * 200 + [0] * 56], [1])).log_probs

    assert found == other == math.fsum(log_probs[0].astype(np.float64).tolist())


def test_an_impossible_token_makes_an_impossible_row() -> None:
    scores = RowScores.of(TokenScores(np.array([[-1.0, -np.inf]], np.float32)), batch([[1, 1]], [1]))

    assert scores.log_probs == [-math.inf]
    assert RowScores.from_json(json.loads(json.dumps(scores.to_json()))) == scores


def test_batches_of_devices_are_scored() -> None:
    def score(params: Any, of: LLMIndexedBatch) -> TokenScores:
        return TokenScores(-params * of.targets, of.targets < 3)

    of = batch([[0, 1, 1], [1, 1, 1]], [2, 1])
    assert BatchScorer(score, jnp.float32(2), MESH, True)(placed(of)) == RowScores(
        [2, 1], [0, 0], [-10.0, -12.0], [2, 3], [1, 2]
    )
    alone = BatchScorer(lambda params, of: -1.0 * of.targets, None, MESH, False)(placed(of))
    assert (alone.log_probs, alone.correct) == ([-5.0, -6.0], None)


def test_a_function_that_gives_something_else_is_refused() -> None:
    of = placed(batch([[0, 1, 1], [1, 1, 1]], [2, 1]))
    with pytest.raises(rd.PipelineError, match=r"shape \(2, 3, 7\) for targets of shape \(2, 3\)"):
        BatchScorer(lambda params, of: jnp.zeros((2, 3, 7)), None, MESH, False)(of)
    with pytest.raises(rd.PipelineError, match=r"return TokenScores\(log_probs, is_greedy\)"):
        BatchScorer(lambda params, of: jnp.zeros((2, 3)), None, MESH, True)(of)
