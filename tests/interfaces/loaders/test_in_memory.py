from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import resumable_data as rd
from resumable_data.loaders import DataLoader, InMemoryDataLoader

DATA = {"x": np.arange(22).reshape(11, 2), "y": (np.arange(11.0),)}


def raw(batches: Any) -> list[Any]:
    return [jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), batch) for batch in batches]


def test_minibatches_are_a_sequence() -> None:
    batches = InMemoryDataLoader(DATA, minibatch_size=4).minibatches(0)
    assert len(batches) == 2
    assert raw(batches) == raw([batches[0], batches[1]]) == raw([batches[-2], batches[np.int64(-1)]])
    assert raw(reversed(batches)) == raw([batches[1], batches[0]])
    for outside in (2, -3):
        with pytest.raises(IndexError, match=f"there is no minibatch {outside}: there are 2"):
            batches[outside]
    with pytest.raises(TypeError, match="cannot be sliced"):
        batches[:1]


@pytest.mark.parametrize("seed", [None, 0, 7])
@pytest.mark.parametrize("drop_last", [True, False])
def test_both_loaders_have_the_same_order(seed: int | None, drop_last: bool) -> None:
    in_memory = InMemoryDataLoader(np.arange(11), minibatch_size=4, drop_last=drop_last)
    loaded = DataLoader[Any](np.arange(11), minibatch_size=4, drop_last=drop_last)
    assert raw(in_memory.minibatches(seed)) == raw(loaded.minibatches(seed))
    assert in_memory.minibatch_count() == loaded.minibatch_count() == (2 if drop_last else 3)


def test_arrays_of_jax_stay_there() -> None:
    (batch, _) = InMemoryDataLoader(jax.numpy.arange(9), minibatch_size=4).minibatches(None)
    assert isinstance(batch, jax.Array)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: InMemoryDataLoader({}, 2), "has no arrays"),
        (lambda: InMemoryDataLoader({"x": np.array(3)}, 2), r"\['x'\] is ndarray and has no axis"),
        (lambda: InMemoryDataLoader({"x": 3}, 2), r"\['x'\] is int and has no axis"),
        (lambda: InMemoryDataLoader({"x": np.arange(3), "y": np.arange(4)}, 2), r"\['x'\] has 3, \['y'\] has 4"),
        (lambda: InMemoryDataLoader(np.arange(3), 0), "minibatch_size=0 must be at least 1"),
        (lambda: InMemoryDataLoader(np.arange(3), 2).minibatches(-3), "shuffle_seed=-3 must not be negative"),
    ],
)
def test_what_cannot_be_is_refused(build: Any, words: str) -> None:
    with pytest.raises(rd.PipelineError, match=words):
        build()
