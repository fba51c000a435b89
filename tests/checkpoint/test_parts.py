"""States of data loaders of which each process has its own, side by side and taken apart."""

from __future__ import annotations

from typing import Any

import pytest

import resumable_data as rd
from resumable_data.checkpoint.parts import is_part, join, part_of


def state() -> Any:
    documents = rd.Dataset.from_source(rd.SyntheticSource(64, [3, 5])).map(list, name="as a list")
    iterator = iter(documents.pack(8, eod_id=0, window=8).batch(4, shards=4).shard(1, 2))
    next(iterator)
    return iterator.get_state()


def wrapped(state: Any, **more: Any) -> dict[str, Any]:
    return {"step": 3, "iterator_length": 9, "iterator": state, **more}


def test_the_state_of_a_pipeline_is_no_part() -> None:
    assert not is_part(state())
    assert not is_part(wrapped(state()))
    assert not is_part({"step": 4})
    assert is_part(wrapped({"next": 4}, process=[1, 2]))


def test_a_whole_state_is_what_every_process_restores() -> None:
    assert part_of(state(), 2, 3) == state()


def test_data_loaders_of_each_process_stand_side_by_side() -> None:
    states = [wrapped({"next": 4 + index}, process=[index, 2]) for index in range(2)]
    joined = join(states)

    assert joined["step"] == 3
    assert [part_of(joined, index, 2) for index in range(2)] == states
    with pytest.raises(rd.StateError, match="saved by 2 processes, each with a data loader of its own"):
        part_of(joined, 0, 3)
