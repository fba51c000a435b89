"""States of which each process has a part, joined and taken apart."""

from __future__ import annotations

from typing import Any

import pytest

import resumable_data as rd
from resumable_data.checkpoint.parts import is_part, join, part_of


def pipeline(shards: int) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.SyntheticSource(64, [3, 5]), name="toy").shuffle(1).repeat()
    return documents.pack(8, eod_id=0, window=8).batch(4, shards=shards)


def parts(count: int = 2, steps: int = 3) -> list[dict[str, Any]]:
    iterators = [iter(pipeline(4).shard(index, count)) for index in range(count)]
    for iterator in iterators:
        for _ in range(steps):
            next(iterator)
    return [iterator.get_state() for iterator in iterators]


def whole(steps: int = 3) -> dict[str, Any]:
    iterator = iter(pipeline(4))
    for _ in range(steps):
        next(iterator)
    return iterator.get_state()


def wrapped(state: Any, **more: Any) -> dict[str, Any]:
    return {"step": 3, "iterator_length": 9, "iterator": state, **more}


def test_what_a_part_is_shows_on_every_process_alike() -> None:
    assert all(is_part(state) for state in [*parts(), whole(), wrapped(parts()[0])])
    assert is_part(wrapped({"next": 4}, process=[1, 2]))
    assert not is_part(iter(pipeline(1)).get_state())
    assert not is_part(wrapped(iter(pipeline(1)).get_state()))
    assert not is_part({"step": 4})


def test_logical_shards_are_joined_also_within_another_iterator() -> None:
    assert join(parts()) == whole()
    assert join([wrapped(state) for state in parts()]) == wrapped(whole())
    assert part_of(whole(), 2, 3) == whole()


def test_data_loaders_of_each_process_stand_side_by_side() -> None:
    states = [wrapped({"next": 4 + index}, process=[index, 2]) for index in range(2)]
    joined = join(states)

    assert joined["step"] == 3
    assert [part_of(joined, index, 2) for index in range(2)] == states
    with pytest.raises(rd.StateError, match="saved by 2 processes, each with a data loader of its own"):
        part_of(joined, 0, 3)


def test_a_missing_part_or_another_position_is_refused() -> None:
    with pytest.raises(rd.StateError, match="logical shard 2 of 4 is in none"):
        join(parts()[:1])
    with pytest.raises(rd.StateError, match="has step 4, state 0 has 3"):
        join([parts()[0], parts(steps=4)[1]])
    with pytest.raises(rd.StateError, match="the states of the processes differ"):
        join([wrapped(parts()[0]), {**wrapped(parts()[1]), "step": 4}])
