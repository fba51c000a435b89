"""One process with eight devices: epochs and exact states. Several processes: property_tests."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import grain
import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.multihost_dataloading import MultiHostDataLoadIterator

DEVICES = np.array(jax.devices())
MESH = Mesh(DEVICES, "data")


class Foreign:
    """An iterator that, like some others, returns the very state that it changes later."""

    def __init__(self, count: int = 100) -> None:
        self.state = {"next": 0}
        self.count = count
        self.closed = False
        self.calls_after_the_end = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> np.ndarray[Any, Any]:
        if self.state["next"] == self.count:
            self.calls_after_the_end += 1
            raise StopIteration
        self.state["next"] += 1
        return np.full((8, 2), self.state["next"] - 1, np.int32)

    def get_state(self) -> dict[str, int]:
        return self.state

    def set_state(self, state: dict[str, int]) -> None:
        self.state["next"] = state["next"]
        if state["next"] < 0:
            raise KeyError("half of it is set already")

    def close(self) -> None:
        self.closed = True


def numbered(count: int) -> list[np.ndarray[Any, Any]]:
    return [np.full((8, 2), number, np.int32) for number in range(count)]


def numbers(batches: Any) -> list[int]:
    return [int(np.asarray(batch)[0, 0]) for batch in batches]


def pipeline(*, shuffled: bool = True) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.SyntheticSource(40, lengths=[3, 9, 14], vocabulary=50))
    documents = documents.shuffle(3) if shuffled else documents
    return documents.repeat().append_eod(0).pack(16, window=64, eod_id=0).batch(8)


def content(batch: Any) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(batch)]


def some(batches: Iterator[Any]) -> list[list[bytes]]:
    """Takes the next two batches, or the rest of the epoch, without ``iter``."""
    found = [next(batches, None), next(batches, None)]
    return [content(batch) for batch in found if batch is not None]


def test_a_pad_value_that_the_dtype_cannot_hold_is_refused_even_where_nothing_is_padded() -> None:
    batches = MultiHostDataLoadIterator([np.zeros((8, 2), np.uint8)], MESH, pad_shapes=True, pad_value=-1)
    with pytest.raises(rd.PipelineError, match="pad_value=-1 is not a value of uint8"):
        next(batches)


def test_without_a_length_it_ends_with_the_data_and_has_no_len() -> None:
    batches = MultiHostDataLoadIterator(numbered(3), MESH, dataset_size=24)
    assert batches
    with pytest.raises(TypeError, match="no iterator_length"):
        len(batches)
    assert numbers(batches) == [0, 1, 2]
    assert (batches.step_counter, batches.dataset_size) == (3, 24)
    with pytest.raises(StopIteration):
        next(batches)


def test_data_that_ends_early_is_counted_right_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    batches = MultiHostDataLoadIterator(numbered(2), MESH, iterator_length=3)
    with caplog.at_level(logging.WARNING):
        assert numbers(batches) == [0, 1]
    assert batches.step_counter == 2
    assert "ended after 2 of 3 batches" in caplog.text


@pytest.mark.parametrize("count", [2, 3])
def test_an_epoch_after_the_end_of_the_data_is_an_error_not_an_empty_one(count: int) -> None:
    batches = MultiHostDataLoadIterator(iter(numbered(count)), MESH, iterator_length=3)
    list(batches)
    for _ in range(2):
        with pytest.raises(rd.PipelineError, match=r"the data has ended.*reset_after_epoch"):
            list(batches)


def test_the_end_of_an_iterator_is_not_asked_for_twice() -> None:
    foreign = Foreign(2)
    batches = MultiHostDataLoadIterator(foreign, MESH)
    assert numbers(batches) == [0, 1]
    assert next(batches, None) is None
    with pytest.raises(rd.PipelineError, match="the data has ended"):
        list(batches)
    assert foreign.calls_after_the_end == 1


@pytest.mark.parametrize(
    "dataloader", [numbered(5), Foreign(5), iter(pipeline(shuffled=False)), pipeline(shuffled=False)]
)
def test_epochs_of_evaluation_are_identical_also_after_a_sanity_batch(dataloader: Any) -> None:
    batches = MultiHostDataLoadIterator(dataloader, MESH, iterator_length=4, reset_after_epoch=True)
    for _ in batches:
        break
    epochs = [[content(batch) for batch in batches] for _ in range(3)]
    assert len(epochs[0]) == 4
    assert epochs[0] == epochs[1] == epochs[2]
    assert epochs[0][0] != epochs[0][1]


def test_a_training_loop_that_is_broken_off_goes_on_with_its_epoch() -> None:
    batches = MultiHostDataLoadIterator(Foreign(), MESH, iterator_length=4)
    assert numbers(batch for _, batch in zip(range(2), batches, strict=False)) == [0, 1]
    assert numbers(iter(iter(batches))) == [2, 3]
    assert numbers(batches) == [4, 5, 6, 7]


def test_reset_begins_an_epoch_with_what_follows() -> None:
    batches = MultiHostDataLoadIterator(Foreign(), MESH, iterator_length=3)
    assert numbers([next(batches)]) == [0]
    batches.reset()
    assert batches.step_counter == 0
    assert numbers(batches) == [1, 2, 3]


@pytest.mark.parametrize(("length", "resets"), [(3, False), (3, True), (None, False)])
@pytest.mark.parametrize("kind", ["own", "own, prefetched", "foreign", "grain"])
def test_a_state_continues_exactly(kind: str, length: int | None, resets: bool) -> None:
    repeated = grain.MapDataset.source(numbered(50)).seed(1).shuffle().repeat()
    shuffled = repeated.to_iter_dataset(grain.ReadOptions(num_threads=0))
    sources: dict[str, Any] = {
        "own": pipeline(),
        "own, prefetched": pipeline().prefetch(2),
        "foreign": Foreign,
        "grain": shuffled,
    }

    def opened() -> MultiHostDataLoadIterator:
        source = sources[kind]() if kind == "foreign" else sources[kind]
        return MultiHostDataLoadIterator(source, MESH, iterator_length=length, reset_after_epoch=resets)

    for interruption in range(4):
        original, fresh, used = opened(), opened(), opened()
        for _ in range(interruption):
            next(original)
        state = through_json(original.get_state())
        next(used), next(used)
        for restored in (fresh, used):
            restored.set_state(state)
            restored.set_state(state)
            assert restored.state_set
            assert through_json(restored.get_state()) == state
        if interruption == length:
            iter(original)
        expected = [some(original), some(iter(original))]
        for restored in (fresh, used):
            assert [some(iter(iter(restored))), some(iter(restored))] == expected
            assert restored.get_state() == original.get_state()
            assert not restored.state_set
        for iterator in (original, fresh, used):
            iterator.close()


def test_a_restored_epoch_goes_on_in_a_loop_after_a_first_batch() -> None:
    batches = MultiHostDataLoadIterator(Foreign(), MESH, iterator_length=5, reset_after_epoch=True)
    batches.set_state({"step": 1, "iterator_length": 5, "iterator": {"next": 1}})
    assert numbers([next(batches)]) == [1]
    assert numbers(batches) == [2, 3, 4]
    assert numbers(batches) == [0, 1, 2, 3, 4]


def test_a_state_after_the_end_of_the_data_begins_the_next_epoch() -> None:
    def opened() -> MultiHostDataLoadIterator:
        return MultiHostDataLoadIterator(Foreign(2), MESH, reset_after_epoch=True)

    ended, within = opened(), opened()
    list(ended), next(within), next(within)
    restored = [opened(), opened()]
    for one, original in zip(restored, (ended, within), strict=True):
        one.set_state(through_json(original.get_state()))
    assert numbers(restored[0]) == [0, 1]
    assert numbers(restored[1]) == []


def test_a_state_that_is_taken_does_not_change_any_more() -> None:
    batches = MultiHostDataLoadIterator(Foreign(), MESH)
    next(batches)
    state = batches.get_state()
    next(batches)
    assert state == {"step": 1, "iterator_length": None, "iterator": {"next": 1}}


def test_the_state_of_grains_data_loader_is_text() -> None:
    sampler = grain.samplers.IndexSampler(40, grain.sharding.NoSharding(), shuffle=True, seed=3, num_epochs=1)
    loader = grain.DataLoader(data_source=numbered(40), sampler=sampler, worker_count=0)
    original, restored = (MultiHostDataLoadIterator(loader, MESH) for _ in range(2))
    next(original), next(original)
    restored.set_state(through_json(original.get_state()))
    assert numbers(restored) == numbers(original)


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda state: [state], "a state is a JSON object"),
        (lambda state: {"step": 1}, "lacks iterator_length, iterator"),
        (lambda state: {**state, "step": -1}, "damaged: step=-1"),
        (lambda state: {**state, "step": 6}, "damaged: step=6"),
        (lambda state: {**state, "step": True}, "damaged: step=True"),
        (lambda state: {**state, "iterator": {**state["iterator"], "step": 1}}, "checksum"),
        (lambda state: {**state, "iterator_length": 4}, "iterator_length was 4, is 5"),
        (lambda state: {**state, "process": [0, 2]}, "process was 0 of 2, is the only one"),
    ],
)
def test_a_state_that_is_refused_changes_nothing(damage: Any, error: str) -> None:
    batches = MultiHostDataLoadIterator(pipeline(), MESH, iterator_length=5)
    next(batches), next(batches)
    before = batches.get_state()
    state = batches.get_state()
    next(batches)
    after = batches.get_state()
    with pytest.raises((rd.StateError, rd.PipelineMismatchError), match=error):
        batches.set_state(damage(state))
    assert batches.get_state() == after != before
    assert (batches.step_counter, batches.state_set) == (3, False)


def test_a_foreign_iterator_that_fails_half_way_stays_where_it_was() -> None:
    batches = MultiHostDataLoadIterator(Foreign(), MESH)
    next(batches), next(batches)
    with pytest.raises(KeyError):
        batches.set_state({"step": 7, "iterator_length": None, "iterator": {"next": -1}})
    assert batches.step_counter == 2
    assert numbers([next(batches)]) == [2]


def test_where_a_state_would_be_lost_is_an_error() -> None:
    batches = MultiHostDataLoadIterator(numbered(3), MESH)
    with pytest.raises(rd.StateError, match=r"list_iterator has no get_state .* position would be lost"):
        batches.get_state()
    with pytest.raises(rd.StateError, match="position would be lost"):
        batches.set_state({"step": 1, "iterator_length": None, "iterator": None})
    foreign = Foreign()
    foreign.state["place"] = np.zeros(1)  # type: ignore[assignment]
    with pytest.raises(rd.StateError, match="changes in a round trip through JSON"):
        MultiHostDataLoadIterator(foreign, MESH).get_state()


def test_what_is_allowed_to_differ_is_passed_on() -> None:
    saved = MultiHostDataLoadIterator(pipeline(), MESH, iterator_length=5)
    next(saved)
    larger = rd.RowDataset(pipeline().node.parent).batch(16)
    other = MultiHostDataLoadIterator(larger, MESH, iterator_length=3)
    with pytest.raises(rd.PipelineMismatchError, match="batch"):
        other.set_state(saved.get_state(), allow={"iterator_length"})
    other.set_state(saved.get_state(), allow={"iterator_length", "batch"})
    assert [edit.step for edit in other.edits] == [1]
    assert (other.step_counter, next(other).inputs.shape) == (1, (16, 16))
    with pytest.raises(rd.StateError, match=r"takes no allow=.*batch"):
        MultiHostDataLoadIterator(Foreign(), MESH).set_state(
            {"step": 0, "iterator_length": None, "iterator": {"next": 0}}, allow={"batch"}
        )


def test_an_error_leaves_it_where_it_was() -> None:
    foreign = Foreign()
    batches = MultiHostDataLoadIterator(foreign, Mesh(DEVICES[:3], "data"))
    for _ in range(2):
        with pytest.raises(rd.PipelineError, match="8 rows"):
            next(batches)
        assert batches.get_state() == {"step": 0, "iterator_length": None, "iterator": {"next": 0}}


def test_arguments_that_cannot_work_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match="int cannot be iterated over"):
        MultiHostDataLoadIterator(3, MESH)  # type: ignore[arg-type]
    with pytest.raises(rd.PipelineError, match="iterator_length=0"):
        MultiHostDataLoadIterator([], MESH, iterator_length=0)
    with pytest.raises(rd.PipelineError, match="list_iterator is an iterator without get_state"):
        MultiHostDataLoadIterator(iter([1]), MESH, reset_after_epoch=True)


def test_closing_closes_what_it_iterates_over() -> None:
    foreign = Foreign()
    with MultiHostDataLoadIterator(foreign, MESH) as batches:
        next(batches)
    assert foreign.closed
    assert batches.get_state()["step"] == 1
    with pytest.raises(ValueError, match="closed"):
        next(batches)


def test_a_checkpoint_finds_what_it_needs() -> None:
    batches = MultiHostDataLoadIterator(pipeline(), MESH, iterator_length=2)
    list(batches), next(iter(batches))
    assert (batches.step, batches.step_counter, batches.edits) == (3, 1, ())
    assert json.loads(json.dumps(batches.description()))["iterator"] == iter(pipeline()).description()
    foreign = MultiHostDataLoadIterator(Foreign(), MESH)
    next(foreign)
    assert foreign.step == 1
    assert foreign.description()["iterator"].endswith("Foreign")
