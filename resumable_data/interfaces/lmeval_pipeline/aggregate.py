"""Adds up the scores of rows, in any order, to one score a request, in the order of the requests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resumable_data.arrays import AnyArray
from resumable_data.errors import PipelineError
from resumable_data.opaque import Record


class Score(NamedTuple):
    """The score of a request.

    Attributes:
        log_prob: Sum of the log-probabilities of the scored tokens, in nats.
        is_greedy: Whether greedy decoding gives all scored tokens: no other token is more probable than one of them.
            True if no token is scored, and None if it is not known.
        tokens: The number of scored tokens.
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

    Rows may come in any order. Rows of padding are left out. The rows of a request are added in the order of their
    numbers, so the sums do not depend on the batches. If a model scores a row in several steps, add these up first.

    Args:
        document_idx: int[rows], the request of each row, from 1; 0 for a row of padding.
        sequence_idx: int[rows], the number of the row in its request, from 0.
        log_probs: float[rows], the sum of the log-probabilities of the scored targets.
        counts: int[rows], the number of scored targets.
        correct: int[rows], the number of scored targets that are the most probable token; None if it is not known.
        sequences: int[requests], the number of rows of each request.

    Returns:
        One score a request, in the order of the requests.

    Raises:
        PipelineError: Rows of a request are missing or occur twice, or rows do not belong to a request; the message
            names them. Or the shapes or dtypes of the arrays are wrong.

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
    # first: int64[requests + 1], the first row of each request if all rows stand in order
    first = np.concatenate([[0], np.cumsum(np.asarray(sequences, np.int64))])
    real = columns["document_idx"] != 0
    documents, sequence, sums, numbers, matches = (column[real] for column in columns.values())
    rows = _places(documents.astype(np.int64) - 1, sequence.astype(np.int64), first)

    def by_request(values: AnyArray) -> list[Record]:
        in_order = np.zeros(first[-1], values.dtype)
        in_order[rows] = values
        return [in_order[start:stop].sum().item() for start, stop in pairwise(first)]

    totals = zip(by_request(sums), by_request(numbers), by_request(matches), strict=True)
    return [
        Score(log_prob, None if correct is None else matching == count, int(count))
        for log_prob, count, matching in totals
    ]


def _check_columns(columns: dict[str, AnyArray]) -> None:
    shapes = {name: column.shape for name, column in columns.items()}
    if len(set(shapes.values())) > 1 or columns["document_idx"].ndim != 1:
        raise PipelineError(
            f"each array needs one value a row, but the shapes are {shapes}: join the arrays of all batches"
        )
    for name in ("document_idx", "sequence_idx", "counts", "correct"):
        column = columns[name]
        if column.size and column.dtype.kind not in "iu":
            raise PipelineError(f"{name} are {column.dtype}, not integers")


def _places(
    requests: npt.NDArray[np.int64], sequence: npt.NDArray[np.int64], first: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Returns the place of each row in the order of all rows of all requests. Each place is taken exactly once.

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
        raise PipelineError(f"rows do not belong to one of the {count} requests: {_some(found)}")
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
