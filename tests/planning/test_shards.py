"""Logical shards: the parts of a batch, and the states of processes that run some of them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import resumable_data as rd


class Unmeasured:
    """Documents whose lengths show only when they are read; remembers which were."""

    def __init__(self, count: int = 96) -> None:
        self.count = count
        self.seen: list[int] = []

    def __len__(self) -> int:
        return self.count

    def read(self, indices: np.ndarray) -> list[list[int]]:
        self.seen += indices.tolist()
        return [[1 + int(index)] * (1 + int(index) % 5) for index in indices]

    def fingerprint(self) -> str:
        return f"unmeasured {self.count}"


def pipeline(
    source: Any = None, size: int = 8, epochs: int | None = None, **settings: Any
) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(source or Unmeasured(), name="toy").shuffle(seed=3).repeat(epochs)
    return documents.pack(6, window=8, eod_id=0).batch(size, **settings)


def processes(count: int, **settings: Any) -> list[rd.DataIterator[rd.LLMBatch]]:
    return [iter(pipeline(**settings).shard(index, count)) for index in range(count)]


def test_the_number_of_shards_follows_from_the_batch() -> None:
    assert iter(pipeline(size=12)).description()["shared"][-1]["shards"] == 4
    assert iter(pipeline(size=12, shards=6)).description()["shared"][-1]["shards"] == 6
    assert "shards" not in iter(pipeline(size=7)).description()["shared"][-1]
    known = rd.Dataset.from_source(rd.SyntheticSource(9, [3])).pack(6, eod_id=0).batch(8)
    assert "shards" not in iter(known).description()["shared"][-1]


def test_a_shard_owns_its_part_of_every_batch_and_its_part_of_the_documents() -> None:
    source = rd.InMemorySource([[1 + record] for record in range(64)])
    batches = rd.Dataset.from_source(source).pad(1, eod_id=0).batch(8, shards=4)
    for step, batch in enumerate(batches):
        places = batch.targets.reshape(4, 2) - 1
        for shard in range(4):
            assert places[shard].tolist() == [shard + 4 * (2 * step), shard + 4 * (2 * step + 1)]


@pytest.mark.parametrize("shards", [0, 3, 16])
def test_shards_that_do_not_divide_the_batch_are_refused(shards: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"batches of 8 rows cannot be divided among shards={shards}"):
        pipeline(shards=shards)


def test_a_process_reads_the_documents_of_its_own_shards_alone() -> None:
    sources = [Unmeasured() for _ in range(4)]
    iterators = [iter(pipeline(source).shard(index, 4)) for index, source in enumerate(sources)]
    for _ in range(6):
        for iterator in iterators:
            next(iterator)
    # Positions of the first epoch are shared out, so that a record is read by one process, and once.
    epoch = rd.Dataset.from_source(rd.InMemorySource([[r] for r in range(96)]), name="toy").shuffle(seed=3)
    owner = {int(document[0]): position % 8 // 2 for position, document in enumerate(epoch)}
    for index, source in enumerate(sources):
        first_epoch = source.seen[:24]
        assert len(set(first_epoch)) == len(first_epoch)
        assert {owner[record] for record in first_epoch} == {index}


def test_states_of_all_processes_join_to_that_of_one() -> None:
    whole, parts = iter(pipeline()), processes(4)
    for iterator in (whole, *parts):
        for _ in range(5):
            next(iterator)
    states = json.loads(json.dumps([iterator.get_state() for iterator in parts]))

    assert rd.merge_states(states) == whole.get_state()
    assert rd.merge_states(states[::-1]) == whole.get_state()
    assert rd.merge_states([whole.get_state()]) == whole.get_state()


def test_a_process_takes_back_its_own_state_and_no_other() -> None:
    own, other = processes(2)
    next(own), next(other)
    own.set_state(own.get_state())
    with pytest.raises(rd.StateError, match=r"without logical shard 0, which is needed here.*merge_states"):
        own.set_state(other.get_state())
    assert own.step == 1


def test_a_gap_is_refused() -> None:
    states = [iterator.get_state() for iterator in processes(4)]
    with pytest.raises(rd.StateError, match=r"logical shard 2 of 8 is in none of the 3 states"):
        rd.merge_states([states[0], states[2], states[3]])
    with pytest.raises(rd.StateError, match="there are no states"):
        rd.merge_states([])


def test_states_of_different_steps_or_pipelines_do_not_join() -> None:
    first, second = processes(2)
    next(second)
    with pytest.raises(rd.StateError, match="state 1 has step 1, state 0 has 0"):
        rd.merge_states([first.get_state(), second.get_state()])
    other = iter(pipeline(size=16, shards=8).shard(1, 2))
    with pytest.raises(rd.PipelineMismatchError, match=r"state 1 is of another pipeline.*batch.size was 8, is 16"):
        rd.merge_states([first.get_state(), other.get_state()])


def test_another_number_of_shards_is_another_pipeline() -> None:
    iterator = iter(pipeline(shards=8))
    next(iterator)
    with pytest.raises(rd.PipelineMismatchError, match=r"batch\.shards was 8, is 4"):
        iter(pipeline(shards=4)).set_state(iterator.get_state())
    larger = iter(pipeline(size=24))
    with pytest.raises(rd.PipelineMismatchError, match=r"batch\.size was 8, is 24"):
        larger.set_state(iterator.get_state())
    larger.set_state(iterator.get_state(), allow={"batch"})
    assert len(next(larger).targets) == 24


@pytest.mark.parametrize("drop_remainder", [True, False])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_processes_end_together(count: int, drop_remainder: bool) -> None:
    settings = {"epochs": 2, "source": None, "drop_remainder": drop_remainder}
    whole = list(pipeline(**settings))
    parts = [list(pipeline(**settings).shard(index, count)) for index in range(count)]

    assert {len(part) for part in parts} == {len(whole)}
    for batch, *own in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(batch.targets, np.concatenate([part.targets for part in own]))
    delivered = {int(token) for batch in whole for token in batch.targets.flat} - {0}
    if not drop_remainder:
        assert delivered == set(range(1, 97))


def test_first_windows_end_at_different_places() -> None:
    source = Unmeasured(count=4096)
    batches = rd.Dataset.from_source(source).pack(8, window=64, eod_id=0).batch(8)
    iterator = iter(batches)
    next(iterator)

    assert len(source.seen) == sum(64 * (shard + 1) // 8 for shard in range(8))


def test_no_more_is_read_than_the_windows_that_have_begun() -> None:
    source = Unmeasured(count=4096)
    iterator = iter(rd.Dataset.from_source(source).pack(8, window=64, eod_id=0).batch(8))
    for _ in range(40):
        next(iterator)
    begun = iterator.progress().components["data"].documents

    assert begun < len(source.seen) <= begun + 8 * 64
