"""Faults of files: of the saved state, of the directories around it, and of the data."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
import pytest
from etils import epath

import resumable_data as rd
from property_tests.testing.array_record_shards import to_bytes, write_records
from property_tests.testing.fault_table import Fault, Scenario
from property_tests.testing.processes import ROOT
from property_tests.testing.programs import faults
from property_tests.testing.programs.faults import checkpoints, restore, save, take

PROGRAM = ROOT / "property_tests" / "testing" / "programs" / "faults.py"


@cache
def reference() -> list[str]:
    """Returns digests of the batches of a run without faults."""
    return take(iter(faults.pipeline()), 16)


def continued(directory: Path, step: int, **options: Any) -> str:
    """Checks that a new run goes on from a step and can save; returns a text that says so."""
    with checkpoints(directory, **options) as (manager, _):
        assert manager.latest_step() == step
        iterator = iter(faults.pipeline())
        take(iterator, 7)
        restore(manager, iterator)
        assert iterator.step == step
        assert take(iterator, 2) == reference()[step : step + 2]
        save(manager, iterator)
        assert manager.latest_step() == step + 2
    return f"step {step} is restored, and saving goes on"


def refused(what: Callable[[], object], iterator: rd.DataIterator[Any], *kinds: type[Exception]) -> str:
    """Returns the error of a failing action, which must not move the iterator."""
    before, step = iterator.get_state(), iterator.step
    with pytest.raises(kinds) as caught:
        what()
    assert iterator.get_state() == before
    assert take(iterator, 2) == reference()[step : step + 2]
    return named(caught.value)


def named(error: Exception) -> str:
    """Formats an error as the table shows it."""
    return f"`{type(error).__name__}`: {error.args[0]}"


def saved(directory: Path) -> Path:
    """Saves steps 3 and 5 of a run; returns the directory of the data item of step 5."""
    iterator = iter(faults.pipeline())
    with checkpoints(directory) as (manager, _):
        for step in (3, 5):
            take(iterator, step - iterator.step)
            save(manager, iterator)
    return directory / "5" / "data"


def of_state(damage: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    """Damages the latest state. It is refused, and the one before it can be restored."""

    def run(directory: Path) -> list[str]:
        damage(saved(directory) / "state.json")
        iterator = iter(faults.pipeline())
        take(iterator, 7)
        with checkpoints(directory) as (manager, _):
            error = refused(lambda: restore(manager, iterator), iterator, rd.StateError)
            restore(manager, iterator, 3)
            assert take(iterator, 2) == reference()[3:5]
        return [error]

    return run


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def bit_flipped(path: Path) -> None:
    text = bytearray(path.read_bytes())
    text[text.index(b'"step": 5') + len('"step": ')] ^= 1
    path.write_bytes(text)


def with_version(version: int) -> Callable[[Path], None]:
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))


def leftovers(directory: Path) -> list[str]:
    """Makes the directories that a killed save leaves, under the name of the next step."""
    saved(directory)
    shutil.copytree(directory / "3", directory / "7.orbax-checkpoint-tmp")
    (directory / "7.orbax-checkpoint-tmp" / "data").rename(
        directory / "7.orbax-checkpoint-tmp" / "data.orbax-checkpoint-tmp"
    )
    return [continued(directory, 5)]


def without_item(directory: Path) -> list[str]:
    """Restores from a step that holds only the model."""
    iterator = iter(faults.pipeline())
    take(iterator, 3)
    with checkpoints(directory) as (manager, _):
        save(manager, iterator, data=False)
        return [refused(lambda: restore(manager, iterator), iterator, KeyError)]


class Full(rd.checkpoint.DataCheckpointHandler):
    """Writes a file to a device of the kernel that is always full."""

    full = True

    async def async_save(self, directory: epath.Path, args: rd.checkpoint.DataSave) -> Any:
        if self.full:
            (Path(directory) / "pipeline.json").symlink_to("/dev/full")
        return await super().async_save(directory, args)


def full_disk(directory: Path) -> list[str]:
    """Fills the disk at the second save, and frees it before the third."""
    iterator = faults.first_save(directory)
    take(iterator, 2)
    with checkpoints(directory, Full) as (manager, handler):
        with pytest.raises(rd.StateError) as caught:
            save(manager, iterator)
        assert manager.latest_step() == 3
        handler.full = False
        save(manager, iterator)
    continued(directory, 5)
    return [named(caught.value)]


def write_corpus(directory: Path, first: int = 0) -> Path:
    """Makes a file of records. One of them fails in a parser that is told so."""
    records = [to_bytes([first, *range(1, number % 7 + 1)]) for number in range(64)]
    records[46] = faults.BAD_RECORD
    return write_records(directory / "corpus.arecord", records)


@contextmanager
def corpus_saved(directory: Path) -> Iterator[ocp.CheckpointManager]:
    """Makes a run over a file of records, and saves its step 3."""
    iterator = iter(faults.corpus(directory))
    for _ in range(3):
        next(iterator)
    with checkpoints(directory / "run") as (manager, _):
        save(manager, iterator)
        yield manager


def of_source(damage: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    """Damages the data between save and restore. A new run refuses it."""

    def run(directory: Path) -> list[str]:
        path = write_corpus(directory)
        with corpus_saved(directory) as manager:
            damage(path)
            with pytest.raises((rd.SourceError, rd.PipelineMismatchError)) as caught:
                restore(manager, iter(faults.corpus(directory)))
        return [named(caught.value)]

    return run


def in_step(name: str, done: str, run: Callable[[Path], list[str]]) -> Scenario:
    """Makes a scenario of one fault."""
    return Scenario(run, (Fault(name, done),))


SCENARIOS = (
    in_step("state truncated", "`state.json` cut to its first half", of_state(truncated)),
    in_step("state empty", "`state.json` cut to 0 bytes", of_state(lambda path: path.write_bytes(b""))),
    in_step("state bit-flipped", "a bit of a number in `state.json` flipped", of_state(bit_flipped)),
    in_step("state missing", "`state.json` removed", of_state(Path.unlink)),
    in_step(
        "state of another library",
        "`state.json` replaced by an object that is none of ours",
        of_state(lambda path: path.write_text('{"next_index": 3}')),
    ),
    in_step("newer state", "`version` in `state.json` raised to 99", of_state(with_version(99))),
    in_step("older state", "`version` in `state.json` lowered to 0", of_state(with_version(0))),
    in_step("temporary directories left over", "a directory as a killed save leaves it", leftovers),
    in_step("step without the item", "the model alone is saved, model and data are restored", without_item),
    in_step("full disk", "a write into `/dev/full`", full_disk),
    in_step("source file removed", "an ArrayRecord file removed between save and restore", of_source(Path.unlink)),
    in_step("source file shorter", "an ArrayRecord file cut to its first half", of_source(truncated)),
    in_step(
        "source file changed",
        "an ArrayRecord file written again with other tokens",
        of_source(lambda path: write_corpus(path.parent, first=1)),
    ),
)
