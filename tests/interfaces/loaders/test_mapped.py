from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

import resumable_data as rd
from resumable_data.checkpoint import DataRestore, DataSave
from resumable_data.errors import ClosedError
from resumable_data.loaders import DataLoader, InMemoryDataLoader, cycled_minibatches, prefetching_map, sharding_map

DATA = {"x": np.arange(22).reshape(11, 2), "y": (np.arange(11.0),)}


def raw(batches: Any) -> list[Any]:
    return [jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), batch) for batch in batches]


@pytest.mark.parametrize("buffer_size", [1, 2, 3, 99])
@pytest.mark.parametrize("device", [None, jax.devices()[-1]])
def test_prefetching_changes_nothing(buffer_size: int, device: Any) -> None:
    loader = InMemoryDataLoader(np.arange(12), minibatch_size=2)
    mapped = prefetching_map(loader.minibatches(1), device, buffer_size)
    assert len(mapped) == 6
    for _ in range(2):
        assert raw(mapped) == raw(loader.minibatches(1))
    if device is not None:
        assert all(batch.devices() == {device} for batch in mapped)
    assert list(prefetching_map((item for item in range(6)), buffer_size=buffer_size)) == list(range(6))


def test_what_is_prefetched_is_not_part_of_the_state() -> None:
    loader = InMemoryDataLoader(np.arange(12), minibatch_size=2)
    devices = jax.devices()[:2]
    for cycled in (False, True):

        def batches(cycled: bool = cycled) -> Any:
            inputs = cycled_minibatches(loader, 1) if cycled else loader.minibatches(1)
            return iter(prefetching_map(sharding_map(inputs, devices), buffer_size=3))

        iterator = batches()
        next(iterator), next(iterator)
        state = json.loads(json.dumps(iterator.get_state()))
        assert state["step"] == 2
        expected = raw(next(iterator) for _ in range(4))
        fresh = batches()
        for used in (fresh, iterator):
            used.set_state(state)
            assert raw(next(used) for _ in range(4)) == expected


def test_a_second_loop_over_an_iterator_goes_on_where_the_first_was_left() -> None:
    loader = InMemoryDataLoader(np.arange(12), minibatch_size=2)
    mapped = prefetching_map(cycled_minibatches(loader, None), buffer_size=3)
    found: list[list[int]] = []
    for _ in range(3):
        for batch in mapped:
            found.append(batch.tolist())
            break
    assert found == [[0, 1], [2, 3], [4, 5]]


def test_a_map_over_what_has_no_position_has_no_state() -> None:
    iterator = iter(prefetching_map([1, 2, 3]))
    assert next(iterator) == 1
    with pytest.raises(rd.StateError, match="list has no position to save"):
        iterator.get_state()


def test_the_end_stays_the_end() -> None:
    for iterator in (iter(prefetching_map([1, 2, 3])), iter(InMemoryDataLoader(np.arange(3), 1).minibatches(None))):
        assert len(list(iterator)) == 3
        assert list(iterator) == []
        assert next(iterator, None) is None


class _Torn:
    """Samples of which one cannot be had."""

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: Any) -> Any:
        if index == 5:
            raise KeyError("torn")
        return index


@pytest.mark.parametrize("buffer_size", [1, 2, 4, 99])
def test_items_before_one_that_fails_are_handed_over(buffer_size: int) -> None:
    iterator = iter(prefetching_map(DataLoader[Any](_Torn(), minibatch_size=1).minibatches(None), None, buffer_size))
    assert raw(islice(iterator, 5)) == [[0], [1], [2], [3], [4]]
    for _ in range(2):
        with pytest.raises(rd.RecordError, match="minibatch 5"):
            next(iterator)
        assert iterator.step == iterator.get_state()["step"] == 5


def test_a_closed_iterator_says_so() -> None:
    with iter(prefetching_map([1, 2])) as iterator:
        assert next(iterator) == 1
    with pytest.raises(ClosedError, match="this iterator is closed"):
        next(iterator)


def test_each_part_lies_on_its_device() -> None:
    devices = jax.devices()[:2]
    (batch,) = sharding_map([{"x": np.arange(8).reshape(4, 2)}], devices)
    assert batch["x"].shape == (2, 2, 2)
    for shard in batch["x"].addressable_shards:
        place = devices.index(shard.device)
        assert shard.data.tolist() == [[[4 * place, 4 * place + 1], [4 * place + 2, 4 * place + 3]]]


def test_every_iterator_is_saved_by_orbax(tmp_path: Path) -> None:
    loader = InMemoryDataLoader(DATA, minibatch_size=2)
    iterator = iter(prefetching_map(cycled_minibatches(loader, 3), jax.devices()[0]))
    for _ in range(7):
        next(iterator)
    with ocp.CheckpointManager(tmp_path) as manager:
        manager.save(7, args=ocp.args.Composite(data=DataSave(iterator, expect_step=7)))
        manager.wait_until_finished()
        fresh = iter(prefetching_map(cycled_minibatches(loader, 3)))
        manager.restore(7, args=ocp.args.Composite(data=DataRestore(fresh)))
        other = cycled_minibatches(loader, 4)
        with pytest.raises(rd.PipelineMismatchError, match="seed was 3, is 4"):
            manager.restore(7, args=ocp.args.Composite(data=DataRestore(other)))
    assert fresh.step == 7
    assert raw(next(fresh) for _ in range(5)) == raw(next(iterator) for _ in range(5))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: prefetching_map([1], buffer_size=0), "buffer_size=0 must be at least 1"),
        (lambda: sharding_map([1], []), "there are no devices"),
        (lambda: sharding_map([1], [jax.devices()[0]] * 2), "a device is listed twice: "),
        (lambda: list(sharding_map([np.arange(3)], jax.devices()[:2])), r"shape \(3,\) cannot be divided among 2"),
        (lambda: list(sharding_map([3], jax.devices()[:2])), r"shape \(\) cannot be divided among 2 devices"),
    ],
)
def test_what_cannot_be_is_refused(build: Any, words: str) -> None:
    with pytest.raises(rd.PipelineError, match=words):
        build()
