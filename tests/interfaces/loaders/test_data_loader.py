from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

import resumable_data as rd
from property_tests.testing.data_sets import Squares, refuse
from property_tests.testing.running import take
from property_tests.testing.scripts import run_script
from resumable_data.checkpoint import DataSave
from resumable_data.loaders import DataLoader, cycled_minibatches


@pytest.fixture(scope="module")
def loader() -> Iterator[DataLoader[Any]]:
    """One with two real workers, which start once for the tests of this file."""
    made = DataLoader[Any](Squares(23), minibatch_size=4, num_workers=2, drop_last=False)
    yield made
    made.close()
    assert not multiprocessing.active_children()


def indices(batches: Any) -> list[list[int]]:
    return [batch["index"].tolist() for batch in batches]


def expected(seed: int | None) -> list[list[int]]:
    order = np.arange(23)
    if seed is not None:
        np.random.default_rng(seed).shuffle(order)
    return [order[start : start + 4].tolist() for start in range(0, 23, 4)]


@pytest.mark.parametrize("seed", [None, 0, 5])
def test_workers_deliver_in_order(loader: DataLoader[Any], seed: int | None) -> None:
    minibatches = loader.minibatches(seed)
    assert len(minibatches) == loader.minibatch_count() == 6
    for _ in range(2):
        assert indices(minibatches) == expected(seed)
    here = DataLoader[Any](Squares(23), minibatch_size=4, drop_last=False)
    assert indices(here.minibatches(seed)) == expected(seed)


def test_the_golden_order_of_numpy() -> None:
    (batch,) = DataLoader[Any](Squares(10), minibatch_size=10).minibatches(0)
    assert batch["index"].tolist() == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]


def test_samples_are_loaded_by_workers(loader: DataLoader[Any]) -> None:
    processes = {int(batch["square"][0, 1]) for batch in loader.minibatches(None)}
    assert os.getpid() not in processes


def test_a_pass_that_is_left_disturbs_no_other(loader: DataLoader[Any]) -> None:
    left = iter(loader.minibatches(3))
    next(left)
    left.close()
    assert indices(loader.minibatches(4)) == expected(4)


def test_two_passes_run_side_by_side(loader: DataLoader[Any]) -> None:
    pairs = zip(loader.minibatches(1), loader.minibatches(2), strict=True)
    found = [(first["index"].tolist(), second["index"].tolist()) for first, second in pairs]
    assert found == list(zip(expected(1), expected(2), strict=True))


@pytest.mark.parametrize("step", range(7))
def test_a_pass_goes_on_in_its_middle(loader: DataLoader[Any], step: int) -> None:
    iterator = iter(loader.minibatches(9))
    for _ in range(step):
        next(iterator)
    state = json.loads(json.dumps(iterator.get_state()))
    iterator.close()
    for workers in (loader, DataLoader[Any](Squares(23), minibatch_size=4, drop_last=False)):
        resumed = iter(workers.minibatches(9))
        resumed.set_state(state)
        assert indices(resumed) == expected(9)[step:]
        assert resumed.step == 6


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sample_that_fails_is_named_with_the_traceback_of_the_worker(workers: int) -> None:
    with DataLoader[Any](Squares(12, bad=5), minibatch_size=4, num_workers=workers) as loader:
        iterator = iter(loader.minibatches(None))
        assert next(iterator)["index"].tolist() == [0, 1, 2, 3]
        for _ in range(2):
            with pytest.raises(
                rd.RecordError, match=r"minibatch 1 \(samples 4, 5, 6, 7\).*sample 5 is torn"
            ) as error:
                next(iterator)
            assert iterator.step == 1
        if workers:
            assert "data_sets.py" in str(error.value.__cause__.__cause__)


def test_what_collates_may_fail_too() -> None:
    with (
        DataLoader[Any](Squares(4), minibatch_size=2, num_workers=1, collate_fn=refuse) as loader,
        pytest.raises(rd.RecordError, match="cannot collate 2 samples"),
    ):
        next(iter(loader.minibatches(None)))


RESTORES = """
import sys
from itertools import islice

import numpy as np
import orbax.checkpoint as ocp

from property_tests.testing.running import raw
from resumable_data.checkpoint import DataRestore
from resumable_data.loaders import DataLoader, cycled_minibatches

if __name__ == "__main__":
    folder, workers = sys.argv[1:]
    samples = np.arange(46, dtype=np.float32).reshape(23, 2)
    with (
        DataLoader(samples, minibatch_size=4, num_workers=int(workers), drop_last=False) as loader,
        cycled_minibatches(loader, 5) as iterator,
        ocp.CheckpointManager(folder) as manager,
    ):
        manager.restore(4, args=ocp.args.Composite(data=DataRestore(iterator)))
        print(iterator.step, *(raw(batch) for batch in islice(iterator, 6)), sep="\\n")
"""


@pytest.mark.parametrize("workers", [0, 3])
def test_a_new_process_goes_on_with_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    """It restores at the fifth of the six minibatches of a pass, and goes on into the next pass."""
    samples = np.arange(46, dtype=np.float32).reshape(23, 2)
    with (
        DataLoader[Any](samples, minibatch_size=4, num_workers=2, drop_last=False) as loader,
        cycled_minibatches(loader, 5) as iterator,
        ocp.CheckpointManager(tmp_path / "checkpoints") as manager,
    ):
        take(iterator, 4)
        manager.save(4, args=ocp.args.Composite(data=DataSave(iterator, expect_step=4)))
        expected = take(iterator, 6)
    run = run_script(tmp_path, RESTORES, tmp_path / "checkpoints", workers)
    assert run.stdout.splitlines() == ["4", *map(str, expected)], run.stderr


def test_a_state_of_another_loader_is_refused_and_moves_nothing(loader: DataLoader[Any]) -> None:
    iterator = iter(loader.minibatches(1))
    state = iterator.get_state()
    next(iterator)
    other = DataLoader[Any](Squares(23), minibatch_size=5, drop_last=False)
    with pytest.raises(rd.PipelineMismatchError, match="minibatch_size was 5, is 4; seed was 2, is 1"):
        iterator.set_state(iter(other.minibatches(2)).get_state())
    for damaged in ({}, {**state, "step": 3}, {**state, "version": 2}, None, {**state, "loader": 1}):
        with pytest.raises(rd.StateError):
            iterator.set_state(damaged)  # pyright: ignore[reportArgumentType]
    assert next(iterator)["index"].tolist() == expected(1)[1]
    iterator.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"minibatch_size": 0}, "minibatch_size=0 must be at least 1"),
        ({"minibatch_size": 2.5}, "must be an integer"),
        ({"num_workers": -1}, "num_workers=-1 must not be negative"),
        ({"drop_last": 1}, "drop_last=1 must be True or False"),
        ({"collate_fn": None}, "collate_fn"),
        ({"dataset": iter([])}, "has no random access"),
        ({"num_workers": 1, "collate_fn": lambda samples: samples}, "pickle fails.*set num_workers=0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(rd.PipelineError, match=words):
        DataLoader(**{"dataset": Squares(4), "minibatch_size": 2, **settings})


@pytest.mark.parametrize("seed", [-1, "x", 1.5])
def test_impossible_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(rd.PipelineError, match="shuffle_seed"):
        DataLoader[Any](Squares(4), minibatch_size=2).minibatches(seed)
