"""Run by test_lmeval_pipeline.py: the demo's model is evaluated on several processes, saved, and resumed.

Tests in one process use its model too, and two tasks in local files.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from signal import SIGKILL
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.processes import ROOT, join_run, report
from property_tests.testing.toy_tokenizer import TEXT
from resumable_data.lmeval_pipeline import (
    Evaluation,
    RequestScorer,
    as_harness_model,
    lmeval_preprocessing_pipeline,
    run_saved,
    score_logits,
)

LENGTH = 128


@cache
def demo_model() -> tuple[Callable[[Any, Any], Any], Any]:
    """Makes the demo's model with few weights, as a function and its parameters."""
    sys.path.insert(0, str(ROOT / "examples"))
    from flax import nnx
    from model import ModelConfig, Transformer

    graph, params = nnx.split(Transformer(ModelConfig(400, LENGTH, width=16, layers=1), rngs=nnx.Rngs(0)))

    def score(params: Any, batch: Any) -> Any:
        return score_logits(nnx.merge(graph, params)(batch), batch.targets)

    # NumPy makes the same weights on every process.
    return score, jax.tree.map(np.asarray, params)


def scorer(tokenizer: str, **settings: Any) -> RequestScorer:
    """Makes the model that answers requests."""
    score, params = demo_model()
    given = {"global_batch_size": 8, "max_length": LENGTH, "padding_multiple": 32, **settings}
    return RequestScorer(score, params, tokenizer, **given)


def requests() -> list[Any]:
    """Makes requests of many lengths, some with a context."""
    words = " ".join(TEXT).split()
    texts = [" ".join(words[place % 30 : place % 30 + 1 + place * 7 % 12]) for place in range(29)]
    return [
        SimpleNamespace(args=(texts[place - 1], text) if place % 3 else (text,)) for place, text in enumerate(texts)
    ]


def write_task(folder: Path) -> None:
    """Writes two tasks to local files: one chooses the next word, one has whole texts."""
    words = " ".join(TEXT).split()
    choices = [
        {"before": " ".join(words[place : place + 3]), "options": words[place + 3 : place + 6], "answer": place % 3}
        for place in range(8)
    ]
    (folder / "choices.jsonl").write_text("\n".join(map(json.dumps, choices)))
    (folder / "texts.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXT))


def simple_evaluate(model: RequestScorer, folder: Path) -> dict[str, Any]:
    """Returns the harness's results for both tasks, after ``write_task`` has written them."""
    import lm_eval
    from lm_eval.api.task import ConfigurableTask

    def task(name: str, **config: Any) -> Any:
        files = {"data_files": {"test": str(folder / f"{name}.jsonl")}, "cache_dir": str(folder / "cache")}
        return ConfigurableTask(
            config={"task": name, "dataset_path": "json", "dataset_kwargs": files, "test_split": "test", **config}
        )

    tasks = [
        task(
            "choices",
            output_type="multiple_choice",
            doc_to_text="{{before}}",
            doc_to_choice="{{options}}",
            doc_to_target="{{answer}}",
            metric_list=[{"metric": "acc"}],
        ),
        task(
            "texts",
            output_type="loglikelihood_rolling",
            doc_to_text="",
            doc_to_target="{{text}}",
            metric_list=[{"metric": "bits_per_byte"}],
        ),
    ]
    return lm_eval.simple_evaluate(as_harness_model(model), tasks=tasks, bootstrap_iters=0)


def evaluation(tokenizer: str, kind: type[Evaluation] = Evaluation) -> Evaluation:
    """Makes an evaluation that has not begun."""
    mesh = Mesh(np.array(jax.devices()), "data")
    score, params = demo_model()
    batches = lmeval_preprocessing_pipeline(
        jax.process_index(), jax.process_count(), mesh, requests(), 8, tokenizer, padding_multiple=32
    )
    return kind(batches, score, params)


def answer(tokenizer: str, folder: Path) -> None:
    """Reports the answers to all requests, and the harness's results if it is installed."""
    model = scorer(tokenizer)
    report(what="answers", found=model.loglikelihood(requests()))
    if importlib.util.find_spec("lm_eval") is not None:
        report(what="harness", found=simple_evaluate(model, folder)["results"])


def save(tokenizer: str, folder: Path) -> None:
    """Scores two batches, saves, and scores the rest."""
    with evaluation(tokenizer) as found, ocp.CheckpointManager(folder / "run") as manager:
        next(found), next(found)
        manager.save(2, args=ocp.args.Composite(evaluation=rd.checkpoint.DataSave(found, expect_step=2)))
        rest = list(found)
    report(what="saved", rest=rest, found=found.results())


def resume(tokenizer: str, folder: Path) -> None:
    """Scores the batches that were not scored before the save."""
    with evaluation(tokenizer) as found, ocp.CheckpointManager(folder / "run") as manager:
        manager.restore(2, args=ocp.args.Composite(evaluation=rd.checkpoint.DataRestore(found)))
        rest = list(found)
    report(what="resumed", rest=rest, found=found.results())


class Dying(Evaluation):
    """An evaluation whose process is killed in its third batch."""

    def __next__(self) -> int:
        step = super().__next__()
        if step == 3:
            os.kill(os.getpid(), SIGKILL)
        return step


def die(tokenizer: str, folder: Path) -> None:
    """Saves each batch until it is killed."""
    with evaluation(tokenizer, Dying) as found:
        run_saved(found, folder / "killed", save_every=1)


def go_on(tokenizer: str, folder: Path) -> None:
    """Scores the batches that were not saved before the kill."""
    with ocp.CheckpointManager(folder / "killed") as manager:
        latest = manager.latest_step()
    with evaluation(tokenizer) as found:
        report(what="went on", latest=latest, found=run_saved(found, folder / "killed"))


def differ(tokenizer: str, folder: Path) -> None:
    """Reports the error if one process has other requests, and if one has none."""
    for name, own in (("other", requests()[jax.process_index() :]), ("none", requests()[: 29 * jax.process_index()])):
        try:
            scorer(tokenizer).scores(own) if own else evaluation_of_nothing(tokenizer)
        except rd.ResumableDataError as error:
            report(what=name, error=f"{type(error).__name__}: {error}")


def evaluation_of_nothing(tokenizer: str) -> None:
    """Fails."""
    mesh = Mesh(np.array(jax.devices()), "data")
    lmeval_preprocessing_pipeline(jax.process_index(), jax.process_count(), mesh, [], 8, tokenizer)


def main(tokenizer: str, folder: str, actions: list[str]) -> None:
    """Runs the actions that the arguments name, one after the other."""
    join_run()
    for action in actions:
        globals()[action](tokenizer, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
