"""The data item of a real CheckpointManager: saved, restored, damaged, refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath

import resumable_data as rd


def pipeline(seed: int = 7, length: int = 32, batch: int = 4) -> rd.Dataset[rd.LLMBatch]:
    source = rd.SyntheticSource(500, lengths=[3, 9, 20, 41], vocabulary=50)
    documents = rd.Dataset.from_source(source, name="toy").shuffle(seed).repeat().append_eod(0)
    return documents.pack(length, window=64, eod_id=0).batch(batch)


def content(batch: rd.LLMBatch) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(batch)]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ocp.CheckpointManager]:
    with ocp.CheckpointManager(tmp_path / "run") as manager:
        yield manager


def save(manager: ocp.CheckpointManager, step: int, iterator: rd.DataIterator[Any], **options: Any) -> None:
    model = {"weights": np.full(3, step)}
    args = ocp.args.Composite(state=ocp.args.StandardSave(model), data=rd.checkpoint.DataSave(iterator, **options))
    assert manager.save(step, args=args)


def restore(manager: ocp.CheckpointManager, step: int, iterator: rd.DataIterator[Any]) -> Any:
    return manager.restore(step, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(iterator)))


def state_file(manager: ocp.CheckpointManager, step: int) -> Path:
    return Path(manager.directory) / str(step) / "data" / "state.json"


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("used", [False, True])
def test_restore_continues_where_save_was_called(manager: ocp.CheckpointManager, prefetch: int, used: bool) -> None:
    data = pipeline().prefetch(prefetch) if prefetch else pipeline()
    with iter(data) as iterator, iter(data) as restored:
        for _ in range(5):
            next(iterator)
        save(manager, 5, iterator)
        following = [content(next(iterator)) for _ in range(4)]
        manager.wait_until_finished()
        for _ in range(9 if used else 0):
            next(restored)
        assert restore(manager, 5, restored).data is restored
        assert restored.step == 5
        assert [content(next(restored)) for _ in range(4)] == following


class Held(rd.checkpoint.DataCheckpointHandler):
    """Writes the state into a pipe, which holds the write up until it is read."""

    async def async_save(self, directory: epath.Path, args: rd.checkpoint.DataSave) -> Any:
        os.mkfifo(directory / "state.json")
        return await super().async_save(directory, args)


def test_the_position_is_that_of_the_call_even_if_the_file_is_written_later(tmp_path: Path) -> None:
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    registry.add("data", rd.checkpoint.DataSave, Held())
    options = ocp.CheckpointManagerOptions(
        async_options=ocp.options.AsyncOptions(create_directories_asynchronously=False)
    )
    iterator = iter(pipeline())
    next(iterator)
    with ocp.CheckpointManager(tmp_path, options=options, handler_registry=registry) as manager:
        before = iterator.get_state()
        manager.save(1, args=ocp.args.Composite(data=rd.checkpoint.DataSave(iterator)))
        next(iterator)
        (pipe,) = tmp_path.glob("1.*/data*/state.json")
        assert json.loads(pipe.read_text()) == before


def test_a_registered_handler_knows_the_item_s_metadata(tmp_path: Path) -> None:
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    handler = rd.checkpoint.DataCheckpointHandler()
    registry.add("data", rd.checkpoint.DataSave, handler)
    registry.add("data", rd.checkpoint.DataRestore, handler)
    iterator = iter(pipeline())
    next(iterator)
    with ocp.CheckpointManager(tmp_path / "run", handler_registry=registry) as manager:
        manager.save(1, args=ocp.args.Composite(data=rd.checkpoint.DataSave(iterator)))
        manager.wait_until_finished()
        metadata = manager.item_metadata(1)["data"]
    assert metadata["step"] == 1
    assert metadata["pipeline"]["components"]["toy"][0]["stage"] == "source"


def test_expect_step_refuses_a_position_of_another_step(manager: ocp.CheckpointManager) -> None:
    iterator = iter(pipeline())
    next(iterator)
    with pytest.raises(rd.StateError, match="at step 1, but step 2 is saved"):
        save(manager, 2, iterator, expect_step=2)
    save(manager, 1, iterator, expect_step=1)


def damage_truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_flip(path: Path) -> None:
    path.write_text(path.read_text().replace('"step": 2', '"step": 3'))


def damage_remove(path: Path) -> None:
    path.unlink()


def damage_foreign(path: Path) -> None:
    path.write_text(json.dumps({"next_index": 3}))


def damage_list(path: Path) -> None:
    path.write_text("[1, 2]")


def damage_newer(path: Path) -> None:
    path.write_text(path.read_text().replace('"version": 1', '"version": 99', 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_truncate, "is damaged"),
        (damage_empty, "is damaged"),
        (damage_flip, "checksum is wrong"),
        (damage_remove, "is missing"),
        (damage_foreign, "not a state of resumable_data"),
        (damage_list, "not a JSON object"),
        (damage_newer, "version 99"),
    ],
)
def test_a_damaged_item_is_refused_and_moves_nothing(
    manager: ocp.CheckpointManager, damage: Any, message: str
) -> None:
    iterator = iter(pipeline())
    next(iterator), next(iterator)
    save(manager, 2, iterator)
    manager.wait_until_finished()
    damage(state_file(manager, 2))
    used = iter(pipeline())
    next(used)
    before = used.get_state()
    with pytest.raises(rd.StateError, match=message):
        restore(manager, 2, used)
    assert used.get_state() == before
    next(reference := iter(pipeline()))
    assert content(next(used)) == content(next(reference))


def test_another_pipeline_is_refused_with_the_difference(manager: ocp.CheckpointManager) -> None:
    iterator = iter(pipeline())
    next(iterator)
    save(manager, 1, iterator)
    manager.wait_until_finished()
    with pytest.raises(rd.PipelineMismatchError, match=r"pack\.length was 32, is 64") as caught:
        restore(manager, 1, iter(pipeline(seed=8, length=64)))
    assert caught.value.differences == ("shuffle.seed was 7, is 8", "pack.length was 32, is 64")


def test_an_allowed_edit_is_restored_and_recorded(manager: ocp.CheckpointManager) -> None:
    iterator, edited = iter(pipeline()), iter(pipeline(batch=8))
    next(iterator)
    save(manager, 1, iterator)
    manager.wait_until_finished()
    with pytest.raises(rd.PipelineMismatchError, match=r"allow=\{'batch'\}"):
        restore(manager, 1, edited)
    assert edited.step == 0
    args = ocp.args.Composite(data=rd.checkpoint.DataRestore(edited, allow={"batch"}))
    manager.restore(1, args=args)
    assert edited.step == 1
    assert len(edited.edits) == 1


def test_a_step_without_the_item_does_not_start_afresh(manager: ocp.CheckpointManager) -> None:
    manager.save(1, args=ocp.args.Composite(state=ocp.args.StandardSave({"weights": np.ones(2)})))
    manager.wait_until_finished()
    iterator = iter(pipeline())
    with pytest.raises(Exception, match="data"):
        restore(manager, 1, iterator)
    assert iterator.step == 0


def test_an_item_without_its_pipeline_file_is_not_committed(tmp_path: Path) -> None:
    handler = rd.checkpoint.DataCheckpointHandler()
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(rd.StateError, match=r"lacks pipeline\.json"):
        handler.finalize(epath.Path(tmp_path))


def test_a_synchronous_save_is_complete_when_it_returns(tmp_path: Path) -> None:
    checkpointer = ocp.Checkpointer(rd.checkpoint.DataCheckpointHandler())
    iterator = iter(pipeline())
    next(iterator)
    checkpointer.save(tmp_path / "item", args=rd.checkpoint.DataSave(iterator))
    restored = iter(pipeline())
    checkpointer.restore(tmp_path / "item", args=rd.checkpoint.DataRestore(restored))
    assert content(next(restored)) == content(next(iterator))


def test_a_restore_without_an_iterator_restores_the_rest_and_says_what_to_pass(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ocp.CheckpointManager(tmp_path / "run") as manager, iter(pipeline()) as iterator:
        next(iterator)
        save(manager, 1, iterator)
        manager.wait_until_finished()

    with ocp.CheckpointManager(tmp_path / "run") as manager:
        restored = manager.restore(1)

    assert restored["state"]["weights"].tolist() == [1, 1, 1]
    assert restored["data"]["step"] == 1
    assert restored["data"]["pipeline"]["shared"][-1]["stage"] == "batch"
    assert "DataRestore(iterator)" in caplog.text
