"""A model as the harness calls it: like single requests, resumed, and in ``lm_eval.simple_evaluate`` itself."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.programs.evaluating import LENGTH, demo_model, scorer, simple_evaluate, write_task
from property_tests.testing.toy_tokenizer import BOS_ID, TEXT, alone, shared
from resumable_data.lmeval_pipeline import RequestScorer, as_harness_model

installed = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="needs the package lm_eval: pip install lm_eval"
)


@cache
def compiled() -> Any:
    score, params = demo_model()
    return jax.jit(partial(score, params))


def one_by_one(request: Any) -> tuple[float, bool]:
    """Scores a request in a row of its own with the model of the demo."""
    texts = [alone(text) for text in request.args]
    whole = [BOS_ID, *chain.from_iterable(texts)]
    count = len(whole) - 1
    row = np.zeros((1, LENGTH + 1), np.int32)
    row[0, : count + 1] = whole
    positions = np.arange(LENGTH, dtype=np.int32)[None]
    real = (positions < count).astype(np.int32)
    batch = rd.LLMBatch(
        inputs=row[:, :-1],
        targets=row[:, 1:],
        inputs_position=positions,
        inputs_segmentation=real,
        targets_position=positions,
        targets_segmentation=real,
    )
    found = compiled()(batch)
    scored = slice(count - len(texts[-1]), count)
    return float(np.asarray(found.log_probs)[0, scored].sum()), bool(np.asarray(found.is_greedy)[0, scored].all())


@cache
def greedy_requests() -> list[Any]:
    """Makes requests for the most probable token after a letter, if that token is a text."""
    texts = [shared().decode([token]) for token in range(2, 400)]
    words = [text for place, text in enumerate(texts) if alone(text) == [place + 2]]
    asked = [SimpleNamespace(args=(letter, word)) for letter in "ab" for word in words]
    return [request for request in asked if one_by_one(request)[1]]


def assert_same(found: Sequence[tuple[float, bool]], expected: Sequence[tuple[float, bool]]) -> None:
    np.testing.assert_allclose([one for one, _ in found], [one for one, _ in expected], rtol=1e-5, atol=1e-5)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]


@pytest.mark.parametrize("settings", [{}, {"global_batch_size": 3}, {"padding_multiple": 64}])
def test_answers_are_those_of_one_request_at_a_time(
    settings: dict[str, int], requests: list[Any], tokenizer: str
) -> None:
    requests = [*requests, *greedy_requests()]
    expected = list(map(one_by_one, requests))
    assert 0 < sum(greedy for _, greedy in expected) < len(expected)
    model = scorer(tokenizer, **settings)

    assert_same(model.loglikelihood(requests), expected)
    assert_same([(one, True) for one in model.loglikelihood_rolling(requests)], [(one, True) for one, _ in expected])


def test_the_kinds_of_the_answers_are_those_of_the_harness(tokenizer: str) -> None:
    requests = [SimpleNamespace(args=("a", " b")), SimpleNamespace(args=("", ""))]
    model = scorer(tokenizer)

    assert [[type(value) for value in answer] for answer in model.loglikelihood(requests)] == [[float, bool]] * 2
    assert model.loglikelihood(requests)[1] == (0.0, True)
    assert [type(answer) for answer in model.loglikelihood_rolling(requests)] == [float] * 2
    assert model.loglikelihood([]) == model.loglikelihood_rolling([]) == model.generate_until([]) == []


def test_what_cannot_be_answered_is_refused(requests: list[Any], tokenizer: str) -> None:
    model = scorer(tokenizer)
    with pytest.raises(rd.PipelineError, match="1 requests are generate_until"):
        model.generate_until(requests[:1])
    alone_ = RequestScorer(lambda params, batch: -1.0 * batch.targets, None, tokenizer, 8)
    assert alone_.loglikelihood_rolling([SimpleNamespace(args=("a",))]) == [-float(sum(alone("a")))]
    with pytest.raises(rd.PipelineError, match="also needs to know which targets"):
        alone_.loglikelihood(requests)


def test_evaluations_are_saved_and_not_done_twice(requests: list[Any], tokenizer: str, tmp_path: Path) -> None:
    calls: list[int] = []
    score, params = demo_model()

    def counting(weights: Any, batch: Any) -> Any:
        jax.debug.callback(lambda: calls.append(1))
        return score(weights, batch)

    settings = {"global_batch_size": 8, "padding_multiple": 64, "directory": tmp_path, "save_every": 2}
    model = RequestScorer(counting, params, tokenizer, **settings, model="step 1")
    first = model.loglikelihood(requests)
    assert len(calls) == 3
    assert model.loglikelihood(requests) == first
    assert len(calls) == 3
    assert model.loglikelihood(requests[:8]) != first
    assert len(calls) == 4
    other = RequestScorer(counting, params, tokenizer, **settings, model="step 2")
    assert other.loglikelihood(requests) == first
    assert len(calls) == 7


def test_without_the_package_it_says_so(tokenizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", None)
    with pytest.raises(rd.PipelineError, match="the package lm_eval cannot be imported"):
        as_harness_model(scorer(tokenizer))


@installed
def test_requests_of_the_harness_are_read(tokenizer: str) -> None:
    from lm_eval.api.instance import Instance

    from resumable_data.lmeval_pipeline import ParseLMEval

    rolling = Instance(request_type="loglikelihood_rolling", doc={}, idx=0, arguments=("Prefix", "Main"))
    assert ParseLMEval().map({"idx": 1, "req": rolling}) == {"idx": 1, "prefix": "Prefix", "text": "Main"}
    alone_ = Instance(request_type="loglikelihood_rolling", doc={}, idx=0, arguments=(TEXT[0],))
    (found,) = scorer(tokenizer).loglikelihood_rolling([alone_])
    np.testing.assert_allclose(found, one_by_one(SimpleNamespace(args=(TEXT[0],)))[0], rtol=1e-5)


@installed
def test_the_harness_evaluates_a_model_on_a_local_task(tokenizer: str, tmp_path: Path) -> None:
    from lm_eval.api.model import LM

    write_task(tmp_path)
    model = scorer(tokenizer)
    assert isinstance(as_harness_model(model), LM)
    found = simple_evaluate(model, tmp_path)

    samples = found["samples"]
    assert len(samples["choices"]) == 8
    for sample in samples["choices"]:
        answers = [one_by_one(SimpleNamespace(args=tuple(args))) for args in sample["arguments"]]
        assert_same([response[0] for response in sample["resps"]], answers)
        best = int(np.argmax([log_prob for log_prob, _ in answers]))
        assert sample["acc"] == float(best == sample["doc"]["answer"])
    accuracy = found["results"]["choices"]["acc,none"]
    assert accuracy == np.mean([sample["acc"] for sample in samples["choices"]])

    total = sum(one_by_one(SimpleNamespace(args=(text,)))[0] for text in TEXT)
    bits = -total / np.log(2) / sum(len(text.encode()) for text in TEXT)
    np.testing.assert_allclose(found["results"]["texts"]["bits_per_byte,none"], bits, rtol=1e-5)
    json.dumps(found["results"])
