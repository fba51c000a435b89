"""The scores of each target of a batch, added up to scores of its rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resumable_data.arrays import AnyArray
from resumable_data.batch import Array, LLMIndexedBatch
from resumable_data.errors import PipelineError, StateError
from resumable_data.opaque import JsonDict, PyTree
from resumable_data.state_form import is_natural


class TokenScores(NamedTuple):
    """The scores of the targets of a batch. Values of targets that are not scored are ignored.

    Attributes:
        log_probs: float[rows, length], the log-probability of each target, in nats.
        is_greedy: bool[rows, length], whether no other token is more probable; None if it is not known.
    """

    log_probs: Array
    is_greedy: Array | None = None


ScoreTokens: TypeAlias = Callable[[Any, LLMIndexedBatch], TokenScores | jax.Array]
"""A function of a model's parameters and a batch, which JAX can compile."""


def score_logits(logits: jax.Array, targets: Array) -> TokenScores:
    """Computes the scores of targets from the logits of all tokens.

    Args:
        logits: float[rows, length, vocabulary].
        targets: int32[rows, length].

    >>> found = score_logits(jnp.log(jnp.array([[[0.25, 0.75], [0.25, 0.75]]])), np.array([[1, 0]]))
    >>> jnp.exp(found.log_probs).round(2).tolist(), found.is_greedy.tolist()
    ([[0.75, 0.25]], [[True, False]])
    """
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32), axis=-1)
    own = jnp.take_along_axis(log_probs, jnp.asarray(targets)[..., None], axis=-1)[..., 0]
    return TokenScores(own, jnp.argmax(logits, axis=-1) == targets)


@dataclass(frozen=True)
class RowScores:
    """Scores of rows, without those of padding.

    Attributes:
        document_idx: The request of each row, from 1.
        sequence_idx: The number of the row in its request, from 0.
        log_probs: Sum of the log-probabilities of the scored targets.
        counts: The number of scored targets.
        correct: The number of scored targets that are the most probable token; None if it is not known.
    """

    document_idx: list[int]
    sequence_idx: list[int]
    log_probs: list[float]
    counts: list[int]
    correct: list[int] | None

    @classmethod
    def of(cls, tokens: TokenScores, batch: LLMIndexedBatch) -> RowScores:
        """Adds up the scores of tokens, NumPy arrays, to scores of rows.

        Sums are exact until they are rounded once. So padding and the order of tokens do not change them.
        """
        real = np.flatnonzero(batch.document_idx).tolist()
        scored = batch.targets_segmentation != 0
        log_probs = np.asarray(tokens.log_probs, np.float64)
        greedy = None if tokens.is_greedy is None else np.asarray(tokens.is_greedy) & scored
        return cls(
            document_idx=batch.document_idx[real].tolist(),
            sequence_idx=batch.sequence_idx[real].tolist(),
            log_probs=[_exact_sum(log_probs[row][scored[row]].tolist()) for row in real],
            counts=scored[real].sum(1).tolist(),
            correct=None if greedy is None else greedy[real].sum(1).tolist(),
        )

    def to_json(self) -> JsonDict:
        """Converts the scores to JSON values. Sums become text, since JSON has no infinities."""
        return {**vars(self), "log_probs": list(map(repr, self.log_probs))}

    @classmethod
    def from_json(cls, state: Any) -> RowScores:
        """Reads the values that ``to_json`` returned.

        Raises:
            StateError: They are damaged.
        """
        try:
            columns: JsonDict = {**state, "log_probs": list(map(float, state["log_probs"]))}
            rows = cls(**columns)
            sizes = {len(column) for column in columns.values() if column is not None}
            numbers = [*rows.document_idx, *rows.sequence_idx, *rows.counts, *(rows.correct or ())]
            sound = len(sizes) == 1 and all(map(is_natural, numbers))
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the state is damaged: its scores of rows cannot be read: {error}") from error
        if not sound:
            raise StateError("the state is damaged: its lists of scores have different lengths, or wrong values")
        return rows


def _exact_sum(values: list[float]) -> float:
    # fsum refuses infinities of both signs, which a wrong score function can return.
    return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)


class BatchScorer:
    """A compiled function that scores the batches of a mesh. Each process gets the scores of all rows.

    Args:
        score: The function.
        params: The model's parameters, as the function takes them.
        mesh: The mesh of the batches.
        needs_greedy: Whether the function must return ``is_greedy``.
    """

    def __init__(self, score: ScoreTokens, params: PyTree, mesh: Mesh, needs_greedy: bool) -> None:
        self._score = score
        self._params = params
        self._needs_greedy = needs_greedy
        self._compiled: Any = jax.jit(self._score_all, out_shardings=NamedSharding(mesh, PartitionSpec()))

    def __call__(self, batch: LLMIndexedBatch) -> RowScores:
        """Scores the rows of a batch of global arrays.

        Raises:
            PipelineError: The result of the function has a wrong form.
        """
        found: Any = self._compiled(self._params, batch)
        return RowScores.of(*jax.tree.map(_to_numpy, found))

    def _score_all(self, params: PyTree, batch: LLMIndexedBatch) -> tuple[TokenScores, LLMIndexedBatch]:
        found: Any = self._score(params, batch)
        tokens = found if isinstance(found, TokenScores) else TokenScores(found)
        for array in tokens:
            if array is not None and array.shape != batch.targets.shape:
                raise PipelineError(
                    f"the score function returns an array of shape {array.shape} for targets of shape "
                    f"{batch.targets.shape}: return the log-probability of each target. score_logits computes it "
                    "from the logits of all tokens"
                )
        if self._needs_greedy and tokens.is_greedy is None:
            raise PipelineError(
                "the score function returns only log-probabilities, but loglikelihood also needs to know which "
                "targets are the most probable tokens: return TokenScores(log_probs, is_greedy), as score_logits does"
            )
        return tokens, batch


def _to_numpy(array: jax.Array) -> AnyArray:
    return np.asarray(array.addressable_data(0))
