"""A model in JAX with the methods that the evaluation harness calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import jax
from etils import epath
from jax.sharding import Mesh

from resumable_data.digest import canonical_json, digest
from resumable_data.errors import PipelineError
from resumable_data.interfaces.lmeval_pipeline.aggregate import Score
from resumable_data.interfaces.lmeval_pipeline.evaluation import Evaluation
from resumable_data.interfaces.lmeval_pipeline.pipeline import lmeval_preprocessing_pipeline
from resumable_data.interfaces.lmeval_pipeline.requests import Request
from resumable_data.interfaces.lmeval_pipeline.saved_evaluation import run_saved
from resumable_data.interfaces.lmeval_pipeline.scoring import ScoreTokens
from resumable_data.interfaces.multihost_dataloading.global_arrays import processes_of
from resumable_data.opaque import JsonDict, PyTree


@dataclass(frozen=True)
class RequestScorer:
    """A model that answers requests for log-likelihoods, in the order of the requests.

    In a run of several processes all of them call it with the same requests, and all get all answers.

    Attributes:
        score: Returns the log-probability of each target of a batch; see ``score_logits``. JAX compiles it.
        params: The model's parameters, as ``score`` takes them.
        tokenizer_path: Folder, ``tokenizer.json`` or name of the tokenizer.
        global_batch_size: Rows a batch, over all processes.
        mesh: The rows of a batch are divided among all its devices; by default all devices.
        max_length: The most tokens of a row, for models with a limited context; None for no limit.
        padding_multiple: The length of a batch is a multiple of this, or ``max_length``. A larger number compiles
            less and pads more.
        model: A name of the model and its parameters. Saved scores of another name are not used.
        directory: Folder of saved evaluations, each in a folder of its own; None saves nothing.
        save_every: Batches from one checkpoint to the next.
        pipeline: Further arguments of ``lmeval_preprocessing_pipeline``, such as ``bos_token_id``.
    """

    score: ScoreTokens
    params: PyTree
    tokenizer_path: epath.PathLike
    global_batch_size: int
    mesh: Mesh | None = None
    max_length: int | None = None
    padding_multiple: int = 128
    model: str = ""
    directory: epath.PathLike | None = None
    save_every: int = 100
    pipeline: JsonDict = dataclasses.field(default_factory=JsonDict)

    def loglikelihood(self, requests: Sequence[Request]) -> list[tuple[float, bool]]:
        """Scores each continuation after its context, and says whether greedy decoding gives it.

        Args:
            requests: Each has ``args``: context and continuation.

        Raises:
            PipelineError: ``score`` does not return ``is_greedy``, or a setting is impossible.
            RecordError: A request has no text to score.
        """
        return [(score.log_prob, bool(score.is_greedy)) for score in self.scores(requests)]

    def loglikelihood_rolling(self, requests: Sequence[Request]) -> list[float]:
        """Scores each text. With ``max_length`` a long text is split; each token is scored once.

        Args:
            requests: Each has ``args``: the text.

        Raises:
            PipelineError: A setting is impossible.
            RecordError: A request has no text to score.
        """
        return [score.log_prob for score in self.scores(requests, needs_greedy=False)]

    def generate_until(self, requests: Sequence[Request]) -> list[str]:
        """Refuses requests that generate text.

        Raises:
            PipelineError: There are requests.
        """
        if len(requests):
            raise PipelineError(
                f"{len(requests)} requests are generate_until, but this model only scores text: choose tasks of "
                "loglikelihood, loglikelihood_rolling or multiple_choice"
            )
        return []

    def scores(self, requests: Sequence[Request], *, needs_greedy: bool = True) -> list[Score]:
        """Scores each request.

        Args:
            requests: Each has ``args``.
            needs_greedy: Whether ``score`` must return ``is_greedy``.

        Raises:
            PipelineError: The result of ``score`` has a wrong form, or a setting is impossible.
            RecordError: A request has no text to score.
        """
        if not len(requests):
            return []
        mesh = Mesh(jax.devices(), "rows") if self.mesh is None else self.mesh
        processes = processes_of(mesh)
        batches = lmeval_preprocessing_pipeline(
            processes.index(jax.process_index()),
            len(processes),
            mesh,
            requests,
            self.global_batch_size,
            self.tokenizer_path,
            padding_multiple=self.padding_multiple,
            max_length=self.max_length,
            **self.pipeline,
        )
        with Evaluation(batches, self.score, self.params, model=self.model, needs_greedy=needs_greedy) as evaluation:
            if self.directory is None:
                for _ in evaluation:
                    pass
                return evaluation.results()
            own = epath.Path(self.directory) / digest(canonical_json([evaluation.description(), needs_greedy]))
            return run_saved(evaluation, own, self.save_every)


def as_harness_model(scorer: RequestScorer) -> Any:
    """Makes an ``lm_eval.api.model.LM`` for ``lm_eval.simple_evaluate(model=…)``.

    In a run of several processes all of them call ``simple_evaluate``, and all get the same results.

    Args:
        scorer: The model that answers the requests.

    Raises:
        PipelineError: The package ``lm_eval`` cannot be imported.
    """
    try:
        base: Any = import_module("lm_eval.api.model").LM
    except ImportError as error:
        raise PipelineError(
            f"the package lm_eval cannot be imported: {error}. If it is missing: pip install lm_eval"
        ) from error

    class HarnessModel(base):
        """A model that passes all requests to the scorer."""

        loglikelihood = staticmethod(scorer.loglikelihood)
        loglikelihood_rolling = staticmethod(scorer.loglikelihood_rolling)
        generate_until = staticmethod(scorer.generate_until)

    return HarnessModel()
