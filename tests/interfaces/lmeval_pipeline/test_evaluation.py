"""An evaluation that is interrupted, saved, damaged, and resumed on other numbers of processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from jax.sharding import Mesh
from orbax.checkpoint import v1

import resumable_data as rd
from property_tests.testing.evaluations import WEIGHT, batches, evaluation, expected, score
from property_tests.testing.running import through_json
from resumable_data.batch import LLMIndexedBatch
from resumable_data.digest import canonical_json, digest
from resumable_data.lmeval_pipeline import Evaluation, TokenScores


def test_one_score_a_request(requests: list[Any], tokenizer: str) -> None:
    with evaluation(requests, tokenizer) as found:
        assert len(found) == 6
        assert list(found) == [1, 2, 3, 4, 5, 6]
        assert found.results() == expected(requests)
    assert found.results() == expected(requests)


@pytest.mark.parametrize("settings", [{"max_length": 8}, {"devices": 1}, {"devices": 8}, {"global_batch_size": 7}])
def test_neither_windows_nor_batches_nor_devices_change_it(
    settings: dict[str, int], requests: list[Any], tokenizer: str
) -> None:
    with evaluation(requests, tokenizer, **settings) as found:
        list(found)
        assert found.results() == expected(requests)


@pytest.mark.parametrize("stop", range(7))
def test_a_saved_evaluation_goes_on_with_its_scores(stop: int, requests: list[Any], tokenizer: str) -> None:
    with evaluation(requests, tokenizer) as first:
        for _ in range(stop):
            next(first)
        state = through_json(first.get_state())
    calls: list[int] = []

    def counted(weight: Any, batch: LLMIndexedBatch) -> TokenScores:
        jax.debug.callback(lambda: calls.append(1))
        return score(weight, batch)

    fresh = Evaluation(batches(requests, tokenizer, devices=1), counted, WEIGHT)
    used = evaluation(requests, tokenizer)
    next(used)
    for other in (fresh, used, used):
        other.set_state(state)
        assert other.get_state() == state
        assert list(other) == list(range(stop + 1, 7))
        assert other.results() == expected(requests)
    assert len(calls) == 6 - stop
    fresh.close()
    used.close()


def test_results_before_the_end_are_refused(requests: list[Any], tokenizer: str) -> None:
    with evaluation(requests, tokenizer) as found:
        next(found)
        with pytest.raises(rd.PipelineError, match="1 of 6 batches are scored"):
            found.results()


def test_an_error_leaves_it_where_it_was(requests: list[Any], tokenizer: str) -> None:
    fails = [False]

    def fragile(weight: Any, batch: LLMIndexedBatch) -> TokenScores:
        if fails[0]:
            raise RuntimeError("broken")
        return score(weight, batch)

    with Evaluation(batches(requests, tokenizer, padding_multiple=1), fragile, WEIGHT) as found:
        next(found)
        state = found.get_state()
        fails[0] = True
        with pytest.raises(RuntimeError, match="broken"):
            next(found)
        assert found.get_state() == state
        fails[0] = False
        list(found)
        assert found.results() == expected(requests)


def test_a_state_of_something_else_is_refused(requests: list[Any], tokenizer: str) -> None:
    with evaluation(requests, tokenizer, "step 7") as found:
        next(found)
        state = through_json(found.get_state())
        for other, line in (
            (evaluation(requests, tokenizer, "step 8"), "model was 'step 7', is 'step 8'"),
            (evaluation(requests[1:], tokenizer, "step 7", global_batch_size=4), "requests was"),
            (evaluation(requests, tokenizer, "step 7", padding_multiple=4), "padding_multiple was 8, is 4"),
        ):
            with other, pytest.raises(rd.PipelineMismatchError, match=line):
                other.set_state(state)
            assert other.step == 0


def test_a_damaged_state_is_refused(requests: list[Any], tokenizer: str) -> None:
    def signed(**changes: Any) -> dict[str, Any]:
        changed = {name: value for name, value in {**state, **changes}.items() if name != "checksum"}
        return {**changed, "checksum": digest(canonical_json(changed))}

    with evaluation(requests, tokenizer) as found:
        next(found)
        state = through_json(found.get_state())
        (rows,) = state["scores"]
        next(found)
        damaged = json.loads(json.dumps(state).replace('"-', '"-1', 1))
        for wrong, message in (
            (damaged, "its checksum is wrong"),
            ({**state, "step": 2}, "its checksum is wrong"),
            ({**state, "format": "resumable_data"}, "its format is 'resumable_data'"),
            ({**state, "version": 2}, "has version 2; this release reads version 1"),
            ({}, "its format is None"),
            ({**state, "scores": float("nan")}, "damaged"),
            (signed(step=2), "scores of 1 batches"),
            (signed(scores=[]), "scores of 0 batches"),
            (signed(scores=None), "its scores are not a list"),
            (signed(more=1), "it holds step, model"),
            (signed(batches={"step": 1}), "lacks iterator_length, iterator"),
            (signed(scores=[{}]), "its scores of rows cannot be read"),
            (signed(scores=[1]), "its scores of rows cannot be read"),
            (signed(scores=[{**rows, "log_probs": ["much"] * 4}]), "its scores of rows cannot be read"),
            (signed(scores=[{**rows, "counts": [1, 2]}]), "lists of scores have different lengths"),
            (signed(scores=[{**rows, "counts": [-1] * 4}]), "or wrong values"),
        ):
            with pytest.raises(rd.StateError, match=message):
                found.set_state(wrong)
            assert found.step == 2
        list(found)
        assert found.results() == expected(requests)


def test_only_batches_of_requests_are_evaluated() -> None:
    from resumable_data.multihost_dataloading import MultiHostDataLoadIterator

    mesh = Mesh(np.array(jax.devices()[:1]), "data")
    with pytest.raises(rd.PipelineError, match="takes the batches of lmeval_preprocessing_pipeline"):
        Evaluation(MultiHostDataLoadIterator([np.ones(2)], mesh), score, WEIGHT)


def test_batches_that_were_taken_before_are_missed(requests: list[Any], tokenizer: str) -> None:
    found = batches(requests, tokenizer)
    next(found)
    with pytest.raises(rd.PipelineError, match="1 batches were taken before"):
        Evaluation(found, score, WEIGHT)
    found.reset()
    with Evaluation(found, score, WEIGHT) as scored:
        list(scored)
        assert scored.results() == expected(requests)


def test_it_is_saved_by_both_of_orbaxs_interfaces(requests: list[Any], tokenizer: str, tmp_path: Path) -> None:
    with evaluation(requests, tokenizer) as found, ocp.CheckpointManager(tmp_path / "v0") as manager:
        next(found)
        next(found)
        manager.save(2, args=ocp.args.Composite(evaluation=rd.checkpoint.DataSave(found, expect_step=2)))
        v1.save_checkpointables(tmp_path / "v1", {"evaluation": rd.checkpoint.Checkpointable(found)})
        next(found)
        manager.wait_until_finished()
        with evaluation(requests, tokenizer) as other:
            manager.restore(2, args=ocp.args.Composite(evaluation=rd.checkpoint.DataRestore(other)))
            assert list(other) == [3, 4, 5, 6]
            assert other.results() == expected(requests)
        described = json.loads((tmp_path / "v0" / "2" / "evaluation" / "pipeline.json").read_text())
        assert described == found.description()
    with evaluation(requests, tokenizer) as other:
        v1.load_checkpointables(tmp_path / "v1", {"evaluation": rd.checkpoint.Checkpointable(other)})
        assert other.step == 2
