"""Iterators as items of Orbax's newer API: its Checkpointer, its free functions, and from and to the older API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from orbax.checkpoint import v1

import resumable_data as rd


def pipeline(length: int = 32, weights: dict[str, int] | None = None) -> rd.Dataset[rd.LLMBatch]:
    source = rd.SyntheticSource(500, lengths=[3, 9, 20, 41], vocabulary=50)
    rows = rd.Dataset.from_source(source).shuffle(7).repeat().append_eod(0).pack(length, window=64, eod_id=0)
    return rd.mix({"a": rows, "b": rows}, weights=weights).batch(4)


def content(batch: rd.LLMBatch) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(batch)]


def take(iterator: rd.DataIterator[Any], count: int) -> list[list[bytes]]:
    return [content(next(iterator)) for _ in range(count)]


def through_checkpointer(directory: Path, item: Any, action: str) -> None:
    with v1.training.Checkpointer(directory) as checkpointer:
        model = {"weights": np.arange(3)}
        if action == "save":
            checkpointer.save_checkpointables(5, {"model": model, "data": item})
        else:
            checkpointer.load_checkpointables(5, {"data": item})


def through_checkpointer_later(directory: Path, item: Any, action: str) -> None:
    # Orbax has no asynchronous load yet.
    with v1.training.Checkpointer(directory) as checkpointer:
        if action == "save":
            checkpointer.save_checkpointables_async(5, {"data": item})
        else:
            checkpointer.load_checkpointables(5, {"data": item})


def through_functions(directory: Path, item: Any, action: str) -> None:
    function = v1.save_checkpointables if action == "save" else v1.load_checkpointables
    function(directory / "5", {"data": item})


def through_functions_later(directory: Path, item: Any, action: str) -> None:
    if action == "save":
        v1.save_checkpointables_async(directory / "5", {"data": item}).result()
    else:
        v1.load_checkpointables(directory / "5", {"data": item})


def through_the_older_api(directory: Path, item: Any, action: str) -> None:
    with ocp.CheckpointManager(directory) as manager:
        if action == "save":
            manager.save(5, args=ocp.args.Composite(data=rd.checkpoint.DataSave(item)))
        else:
            manager.restore(5, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(item)))


WAYS = [
    through_checkpointer,
    through_checkpointer_later,
    through_functions,
    through_functions_later,
    through_the_older_api,
]
Way = Callable[[Path, Any, str], None]


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("way", WAYS)
def test_a_loaded_iterator_continues_where_save_was_called(tmp_path: Path, way: Way, prefetch: int) -> None:
    data = pipeline().prefetch(prefetch) if prefetch else pipeline()
    with iter(data) as iterator, iter(data) as fresh, iter(data) as used:
        take(iterator, 5)
        way(tmp_path, iterator, "save")
        following = take(iterator, 3)
        take(used, 9)
        for restored in (fresh, used):
            way(tmp_path, restored, "load")
            assert restored.step == 5
            assert take(restored, 3) == following


@pytest.mark.parametrize("saving", WAYS)
@pytest.mark.parametrize("loading", WAYS)
def test_each_way_loads_what_another_saved(tmp_path: Path, saving: Way, loading: Way) -> None:
    iterator, restored = iter(pipeline()), iter(pipeline())
    take(iterator, 5)
    saving(tmp_path, iterator, "save")
    loading(tmp_path, restored, "load")
    assert restored.get_state() == iterator.get_state()


def test_the_position_is_that_of_the_call(tmp_path: Path) -> None:
    iterator, restored = iter(pipeline()), iter(pipeline())
    take(iterator, 2)
    expected = json.dumps(iterator.get_state())
    response = v1.save_checkpointables_async(tmp_path / "2", {"data": iterator})
    take(iterator, 3)
    response.result()
    v1.load_checkpointables(tmp_path / "2", {"data": restored})
    assert json.dumps(restored.get_state()) == expected


def test_expect_step_refuses_a_position_of_another_step(tmp_path: Path) -> None:
    iterator = iter(pipeline())
    next(iterator)
    with pytest.raises(rd.StateError, match="at step 1, but step 2 is saved"):
        v1.save_checkpointables(tmp_path / "2", {"data": rd.checkpoint.Checkpointable(iterator, expect_step=2)})
    assert not (tmp_path / "2").exists()
    v1.save_checkpointables(tmp_path / "1", {"data": rd.checkpoint.Checkpointable(iterator, expect_step=1)})
    v1.load_checkpointables(tmp_path / "1", {"data": iter(pipeline())})


def test_an_allowed_edit_is_loaded_and_recorded(tmp_path: Path) -> None:
    iterator, edited = iter(pipeline()), iter(pipeline(weights={"a": 3, "b": 1}))
    take(iterator, 2)
    v1.save_checkpointables(tmp_path / "2", {"data": iterator})
    with pytest.raises(rd.PipelineMismatchError, match="weights"):
        v1.load_checkpointables(tmp_path / "2", {"data": edited})
    assert edited.step == 0
    v1.load_checkpointables(tmp_path / "2", {"data": rd.checkpoint.Checkpointable(edited, allow={"weights"})})
    assert edited.step == 2
    assert [(edit.stage, edit.setting) for edit in edited.edits] == [("mix", "weights")]


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_state_is_refused_by_name_and_moves_nothing(tmp_path: Path, way: Way) -> None:
    iterator = iter(pipeline())
    take(iterator, 5)
    way(tmp_path, iterator, "save")
    state = tmp_path / "5" / "data" / "state.json"
    state.write_text(state.read_text().replace('"step": 5', '"step": 4'))
    used = iter(pipeline())
    expected = take(used, 9)[8:]
    used.set_state(iterator.get_state())
    take(used, 3)
    before = used.get_state()
    with pytest.raises(rd.StateError, match=r"checksum is wrong.* \(.*/5/data/state\.json\)"):
        way(tmp_path, used, "load")
    assert used.get_state() == before
    assert take(used, 1) == expected


def test_another_item_s_failure_leaves_the_iterator_where_it_was(tmp_path: Path) -> None:
    iterator, other = iter(pipeline()), iter(pipeline(length=64))
    take(iterator, 2)
    v1.save_checkpointables(tmp_path / "2", {"data": iterator, "more": iterator})
    fresh = iter(pipeline())
    with pytest.raises(rd.PipelineMismatchError, match=r"pack\.length"):
        v1.load_checkpointables(tmp_path / "2", {"data": fresh, "more": other})
    assert fresh.step == other.step == 0
