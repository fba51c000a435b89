"""One process's part in saving and restoring; several real ones are in ``property_tests/test_faults.py``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
import pytest
from etils import epath
from orbax.checkpoint import v1

import resumable_data as rd
from resumable_data.checkpoint.files import FILES
from resumable_data.checkpoint.group import Group, Snapshot


class Foreign:
    """An iterator that is none of this library's: it cannot check a state without going there."""

    edits = ()

    def __init__(self, step: int) -> None:
        self.step = step

    def description(self) -> dict[str, Any]:
        return {"name": "foreign"}

    def get_state(self) -> dict[str, Any]:
        return {"step": self.step}

    def set_state(self, state: dict[str, Any], allow: Collection[str] = ()) -> None:
        if state["step"] > 9:
            raise rd.StateError("there are only 9 steps")
        self.step = state["step"]


ALONE = Group((0,), 0)


@pytest.mark.parametrize("options", [ocp.options.MultiprocessingOptions, v1.options.MultiprocessingOptions])
def test_both_apis_options_say_who_takes_part(options: Any) -> None:
    assert Group.of(options()) == Group((0,), 0)
    assert Group.of(options(primary_host=None, active_processes={8, 1}), 5) == Group((1, 8), None, 5)


@pytest.mark.parametrize("primary_host", [0, None])
def test_the_writing_process_writes(tmp_path: Path, primary_host: int | None) -> None:
    group, directory, item = Group((0,), primary_host), epath.Path(tmp_path), Foreign(4)
    group.save(directory, group.snapshot(item, None))
    item.step = 7
    group.restore(directory, item, ())()
    assert item.step == 4


def test_another_process_writes_nothing(tmp_path: Path) -> None:
    group = Group((0,), primary_host=1)
    group.save(epath.Path(tmp_path), group.snapshot(Foreign(4), None))
    assert list(tmp_path.iterdir()) == []


def test_nothing_moves_before_all_is_checked(tmp_path: Path) -> None:
    directory, item = epath.Path(tmp_path), Foreign(4)
    ALONE.save(directory, ALONE.snapshot(item, None))
    item.step = 7
    ALONE.restore(directory, item, ())
    assert item.step == 7


def test_one_process_alone_hears_at_once_that_its_step_is_wrong() -> None:
    with pytest.raises(rd.StateError, match="step 4, but step 5"):
        ALONE.snapshot(Foreign(4), expect_step=5)


OF_ONE_PROCESS = Snapshot({"step": 4, "process": [0, 2]}, dict.fromkeys(FILES, "{}"))
"""A position of which each of two processes has a part."""


def test_a_part_is_written_beside_those_of_other_processes(tmp_path: Path) -> None:
    assert Group((0, 1), 0)._write(epath.Path(tmp_path), OF_ONE_PROCESS)
    assert [path.name for path in tmp_path.iterdir()] == ["state.0.json"]


def test_on_a_disk_of_its_own_a_process_keeps_its_part(tmp_path: Path) -> None:
    assert not Group((0, 1), None)._write(epath.Path(tmp_path), OF_ONE_PROCESS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_one_of_several_processes_writes_the_position_of_all(tmp_path: Path) -> None:
    assert not Group((0, 1), 0)._write(epath.Path(tmp_path), Snapshot({"step": 4}, dict.fromkeys(FILES, "{}")))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_one_of_several_keeps_its_failure_until_the_others_can_hear_it() -> None:
    snapshot = Group((0, 1), 0).snapshot(Foreign(4), expect_step=5)
    assert "step 4, but step 5" in str(snapshot.failure)
