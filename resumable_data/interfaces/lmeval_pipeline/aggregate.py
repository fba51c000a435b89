"""From the scores of rows, as they come, to one score a request, in the order of the requests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from resumable_data.errors import PipelineError


class Score(NamedTuple):
    """What a model makes of a request.

    Attributes:
        log_prob: Sum of the log-probabilities of the tokens that are scored, in nats.
        is_greedy: Whether of each of them no other token is more probable, so that greedy decoding gives them; True
            if there is none, and None where that is not known.
        tokens: How many there are.
    """

    log_prob: float
    is_greedy: bool | None
    tokens: int


def aggregate(
    document_idx: npt.ArrayLike,
    sequence_idx: npt.ArrayLike,
    log_probs: npt.ArrayLike,
    counts: npt.ArrayLike,
    correct: npt.ArrayLike | None,
    sequences: npt.ArrayLike,
) -> list[Score]:
    """Adds up the scores of the rows of each request.

    Rows may come in any order. Those of padding are left out. The rows of a request are added in the order of their
    numbers, so that the sums are the same whatever the batches were. Add up what a row scores in several steps, such
    as chunks of a long one, before.

    Args:
        document_idx: int[rows], the request of each row, from 1; 0 for a row of padding.
        sequence_idx: int[rows], which row of the request it is, from 0.
        log_probs: float[rows], the sum of the log-probabilities of the targets that are scored.
        counts: int[rows], how many these are.
        correct: int[rows], of how many of them no other token is more probable; None where that is not known.
        sequences: int[requests], how many rows each request has.

    Returns:
        One score a request, in the order of the requests.

    Raises:
        PipelineError: Rows of a request are missing, occur twice, or are of no request; the message names them. Or
            the arrays do not fit together.

    >>> aggregate([2, 1, 0, 1], [0, 1, 0, 0], [-3.0, -1.0, -9.0, -0.5], [2, 1, 0, 1], [1, 1, 0, 1], [2, 1])
    [Score(log_prob=-1.5, is_greedy=True, tokens=2), Score(log_prob=-3.0, is_greedy=False, tokens=2)]
    >>> aggregate([1], [0], [-3.0], [2], [1], [1, 1])
    Traceback (most recent call last):
    resumable_data.errors.PipelineError: rows are missing: of request 1 (document_idx 2) row 0 of 1
    """
    columns = {
        "document_idx": np.asarray(document_idx),
        "sequence_idx": np.asarray(sequence_idx),
        "log_probs": np.asarray(log_probs, np.float64),
        "counts": np.asarray(counts),
        "correct": np.zeros_like(np.asarray(counts)) if correct is None else np.asarray(correct),
    }
    _check_columns(columns)
    # first: int64[requests + 1], the first row of each request where all rows stand in order
    first = np.concatenate([[0], np.cumsum(np.asarray(sequences, np.int64))])
    real = columns["document_idx"] != 0
    documents, sequence, sums, numbers, matches = (column[real] for column in columns.values())
    rows = _places(documents.astype(np.int64) - 1, sequence.astype(np.int64), first)

    def by_request(values: npt.NDArray[Any]) -> list[Any]:
        in_order = np.zeros(first[-1], values.dtype)
        in_order[rows] = values
        return [in_order[start:stop].sum().item() for start, stop in pairwise(first)]

    totals = zip(by_request(sums), by_request(numbers), by_request(matches), strict=True)
    return [
        Score(log_prob, None if correct is None else matching == count, int(count))
        for log_prob, count, matching in totals
    ]


def _check_columns(columns: dict[str, npt.NDArray[Any]]) -> None:
    shapes = {name: column.shape for name, column in columns.items()}
    if len(set(shapes.values())) > 1 or columns["document_idx"].ndim != 1:
        raise PipelineError(
            f"each array has one value a row, but their shapes are {shapes}: join those of all batches"
        )
    for name in ("document_idx", "sequence_idx", "counts", "correct"):
        column = columns[name]
        if column.size and column.dtype.kind not in "iu":
            raise PipelineError(f"{name} are {column.dtype}, and no integers")


def _places(
    requests: npt.NDArray[np.int64], sequence: npt.NDArray[np.int64], first: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Where each row stands, where all rows of all requests stand in order; each place is taken exactly once.

    Raises:
        PipelineError: A place is taken twice or not at all, or there is no such place.
    """
    count = len(first) - 1
    known = (requests >= 0) & (requests < count)
    sizes = np.diff(first)
    known[known] = (sequence[known] >= 0) & (sequence[known] < sizes[requests[known]])
    if not known.all():
        strange = np.flatnonzero(~known)
        found = [f"document_idx {requests[row] + 1}, sequence_idx {sequence[row]}" for row in strange.tolist()]
        raise PipelineError(f"rows are of none of {count} requests: {_some(found)}")
    places = first[requests] + sequence
    times = np.bincount(places, minlength=int(first[-1]))
    for what, wrong in (("occur twice", times > 1), ("are missing", times == 0)):
        if wrong.any():
            raise PipelineError(
                f"rows {what}: {_some([_name(place, first) for place in np.flatnonzero(wrong).tolist()])}"
            )
    return places


def _name(place: int, first: npt.NDArray[np.int64]) -> str:
    request = int(np.searchsorted(first, place, side="right")) - 1
    rows = first[request + 1] - first[request]
    return f"of request {request} (document_idx {request + 1}) row {place - first[request]} of {rows}"


def _some(names: Sequence[str]) -> str:
    return "; ".join(names[:4]) + (f"; and {len(names) - 4} more" if len(names) > 4 else "")
