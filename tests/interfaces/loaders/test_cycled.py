from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.loaders import DataLoader, InMemoryDataLoader, cycled_minibatches


def test_cycled_minibatches_take_the_next_seed_each_pass() -> None:
    loader = InMemoryDataLoader(np.arange(10), minibatch_size=3)
    batches = cycled_minibatches(loader, 0)
    found = ["".join(map(str, next(batches).tolist())) for _ in range(6)]
    assert found == ["462", "735", "908", "847", "012", "596"]


@pytest.mark.parametrize("step", [0, 2, 3, 7, 10**12])
def test_cycled_minibatches_go_on_at_any_step(step: int) -> None:
    loader = InMemoryDataLoader(np.arange(10), minibatch_size=3)
    batches = cycled_minibatches(loader, 5)
    batches.start(step)
    state = json.loads(json.dumps(batches.get_state()))
    again = cycled_minibatches(loader, 5)
    again.set_state(state)
    expected = [loader.minibatches(5 + at // 3)[at % 3].tolist() for at in range(step, step + 4)]
    assert [next(again).tolist() for _ in range(4)] == expected
    assert again.step == step + 4


def test_a_loader_without_minibatches_is_refused_instead_of_repeated() -> None:
    loader = InMemoryDataLoader(np.arange(2), minibatch_size=3)
    assert list(loader.minibatches(None)) == []
    with pytest.raises(rd.PipelineError, match=r"has no minibatch.*fewer samples than minibatch_size=3"):
        cycled_minibatches(loader, None)


def test_a_loader_of_another_library_is_cycled_too() -> None:
    class Foreign:
        minibatch_size = 2

        def minibatch_count(self) -> int:
            return 2

        def minibatches(self, shuffle_seed: int | None) -> Any:
            return [(shuffle_seed, place) for place in range(2)]

    batches = cycled_minibatches(Foreign(), 4)
    assert [next(batches) for _ in range(3)] == [(4, 0), (4, 1), (5, 0)]
    again = cycled_minibatches(Foreign(), 4)
    again.set_state(batches.get_state())
    assert next(again) == (5, 1)


@pytest.mark.parametrize(("count", "found", "words"), [(3, 0, "fewer"), (3, 2, "fewer"), (3, 4, "more")])
def test_a_pass_of_another_size_than_the_loader_said_is_an_error(count: int, found: int, words: str) -> None:
    class Wrong:
        minibatch_size = 2

        def minibatch_count(self) -> int:
            return count

        def minibatches(self, shuffle_seed: int | None) -> Any:
            return range(found)

    batches = cycled_minibatches(Wrong(), None)
    assert [next(batches) for _ in range(min(count, found))] == [0, 1, 2][:found]
    with pytest.raises(rd.SourceError, match=f"pass 0 has {words} minibatches than the 3"):
        next(batches)


def test_a_data_set_that_shrinks_is_an_error() -> None:
    samples = list(range(6))
    batches = cycled_minibatches(DataLoader[Any](samples, minibatch_size=2), None)
    assert [next(batches).tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    samples.clear()
    with pytest.raises(rd.SourceError, match="pass 1 has fewer minibatches than the 3"):
        next(batches)


def test_a_state_shuffles_nothing() -> None:
    """A state takes the same time whatever the number of samples: only passes make an order."""

    class Counting(InMemoryDataLoader[Any]):
        def minibatches(self, shuffle_seed: int | None) -> Any:
            passes.append(shuffle_seed)
            return super().minibatches(shuffle_seed)

    passes: list[int | None] = []
    batches = cycled_minibatches(Counting(np.arange(6), minibatch_size=2), 0)
    next(batches)
    first = batches.get_state()
    made = len(passes)
    first["loader"]["seed"] = 9
    assert batches.get_state()["loader"]["seed"] == 0
    assert len(passes) == made
