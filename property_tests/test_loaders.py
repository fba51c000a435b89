"""Minibatches equal those of a short NumPy oracle, wherever a loop was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.testing.data_sets import Squares
from property_tests.testing.running import through_json
from resumable_data.loaders import DataLoader, InMemoryDataLoader, cycled_minibatches, prefetching_map

SAMPLES = 23
sizes = st.integers(1, 30)
seeds = st.none() | st.integers(0, 2**40)


def oracle(samples: int, size: int, drop_last: bool, seed: int | None) -> list[list[int]]:
    order = np.arange(samples)
    if seed is not None:
        np.random.default_rng(seed).shuffle(order)
    whole = samples - samples % size if drop_last else samples
    return [order[start : min(start + size, whole)].tolist() for start in range(0, whole, size)]


def endless(samples: int, size: int, drop_last: bool, seed: int | None) -> Iterator[list[int]]:
    while True:
        yield from oracle(samples, size, drop_last, seed)
        seed = None if seed is None else seed + 1


@given(st.integers(1, 40), sizes, st.booleans(), seeds, st.integers(0, 3), st.data())
def test_an_interrupted_pass_goes_on(
    samples: int, size: int, drop_last: bool, seed: int | None, buffer_size: int, data: st.DataObject
) -> None:
    expected = oracle(samples, size, drop_last, seed)
    loaders: list[Any] = [
        InMemoryDataLoader(np.arange(samples), size, drop_last),
        DataLoader[Any](np.arange(samples), size, 0, drop_last),
    ]
    for loader in loaders:
        minibatches = loader.minibatches(seed)
        assert len(minibatches) == loader.minibatch_count() == len(expected)
        if buffer_size:
            minibatches = prefetching_map(minibatches, buffer_size=buffer_size)
        iterator, done = iter(minibatches), 0
        while done < len(expected):
            count = data.draw(st.integers(0, len(expected) - done))
            assert [batch.tolist() for batch in islice(iterator, count)] == expected[done : done + count]
            done += count
            state = through_json(iterator.get_state())
            iterator = iter(minibatches) if data.draw(st.booleans()) else iterator
            iterator.set_state(state)
            if not data.draw(st.booleans()):
                break
        assert [batch.tolist() for batch in iterator] == expected[done:]


@given(st.integers(1, 20), sizes, st.booleans(), seeds, st.integers(0, 50), st.integers(0, 3))
def test_cycles_go_on_at_any_step(
    samples: int, size: int, drop_last: bool, seed: int | None, step: int, buffer_size: int
) -> None:
    loader = InMemoryDataLoader(np.arange(samples), size, drop_last)
    if not loader.minibatch_count():
        return

    def batches() -> Any:
        cycled = cycled_minibatches(loader, seed)
        return iter(prefetching_map(cycled, jax.devices()[0], buffer_size)) if buffer_size else cycled

    used, fresh = batches(), batches()
    expected = list(islice(endless(samples, size, drop_last, seed), step + 5))
    assert [batch.tolist() for batch in islice(used, step)] == expected[:step]
    state = through_json(used.get_state())
    next(used)
    for iterator in (used, fresh):
        iterator.set_state(state)
        assert [batch.tolist() for batch in islice(iterator, 5)] == expected[step:]


@pytest.fixture(scope="module", params=[1, 2])
def loader(request: pytest.FixtureRequest) -> Iterator[DataLoader[Any]]:
    with DataLoader[Any](Squares(SAMPLES), minibatch_size=3, num_workers=request.param) as made:
        yield made


@given(seeds, st.integers(0, 7), st.integers(0, 7))
def test_workers_change_nothing(loader: DataLoader[Any], seed: int | None, left: int, step: int) -> None:
    """Leaves one pass early, and interrupts another."""
    expected = oracle(SAMPLES, 3, True, seed)
    abandoned, iterator = (iter(loader.minibatches(seed)) for _ in range(2))
    list(islice(abandoned, left))
    found = [batch["index"].tolist() for batch in islice(iterator, step)]
    resumed = iter(loader.minibatches(seed))
    resumed.set_state(through_json(iterator.get_state()))
    assert found + [batch["index"].tolist() for batch in resumed] == expected
