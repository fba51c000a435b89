"""The programs of docs/evaluation.md, as they stand there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing import toy_tokenizer
from property_tests.testing.evaluations import WEIGHT, expected, score
from resumable_data.lmeval_pipeline import Evaluation, lmeval_preprocessing_pipeline

PAGE = Path(__file__).parents[1] / "docs" / "evaluation.md"
TOKENIZER = '"path/of/tokenizer"'


@pytest.fixture
def programs(tmp_path: Path) -> list[str]:
    toy_tokenizer.with_names().save_pretrained(tmp_path / "tokenizer")
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(found) == 2
    assert all(TOKENIZER in program for program in found)
    return [program.replace(TOKENIZER, repr(str(tmp_path / "tokenizer"))) for program in found]


def test_requests_are_scored_step_by_step(programs: list[str], tmp_path: Path) -> None:
    requests = [SimpleNamespace(args=(text[:9], text[9:])) for text in toy_tokenizer.TEXT]
    names: dict[str, Any] = {
        "jax": jax,
        "rd": rd,
        "ocp": ocp,
        "Evaluation": Evaluation,
        "lmeval_preprocessing_pipeline": lmeval_preprocessing_pipeline,
        "mesh": Mesh(np.array(jax.devices()), "data"),
        "requests": requests,
        "score": score,
        "params": WEIGHT,
    }
    assert "% 100" in programs[1]
    for _ in range(2):  # The second time there is a checkpoint.
        with ocp.CheckpointManager(tmp_path / "run") as names["manager"]:
            exec(programs[1].replace("% 100", "% 1"), names)
        assert names["scores"] == expected(requests)
    assert names["step"] == 1


@pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="needs the package lm_eval: pip install lm_eval"
)
def test_the_harness_is_called(programs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lm_eval

    asked: list[Any] = []
    monkeypatch.setattr(lm_eval, "simple_evaluate", lambda model, tasks: asked.append((model, tasks)))
    names: dict[str, Any] = {"params": None, "apply": None}
    exec(programs[0].replace("/evaluations", str(tmp_path / "evaluations")), names)
    ((model, tasks),) = asked

    assert isinstance(model, lm_eval.api.model.LM)
    assert tasks == ["arc_easy"]
    assert names["results"] is None
