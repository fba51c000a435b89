"""The manifest as a source asks it and adds to it."""

from __future__ import annotations

import os
import pickle
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from etils import epath

from property_tests.testing.array_record_shards import write_documents
from resumable_data.digest import digest
from resumable_data.errors import SourceError
from resumable_data.sources.lengths_index import LengthsIndex, require_single_process, to_lengths
from resumable_data.sources.manifest import LengthArray
from resumable_data.sources.shard_facts import ShardFacts
from resumable_data.sources.shards import list_shards

PARSER = "toy.parse@1"
# Of files that are empty; what the records are is not looked at here.
FACTS = [ShardFacts(size=0, records=n, fingerprint=f"f{n}", ending=digest(b"")) for n in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    for number in range(3):
        (tmp_path / "corpus" / f"{number}.arecord").touch()
    return tmp_path / "corpus"


def index_of(folder: Path, index_dir: Path | None = None) -> LengthsIndex:
    return LengthsIndex(list_shards(f"{folder}/*"), None if index_dir is None else epath.Path(index_dir))


def count(shard: int) -> LengthArray:
    return np.arange(FACTS[shard].records, dtype=np.uint32) + 10 * shard


def all_lengths(index: LengthsIndex) -> list[int]:
    placed = index.lengths(PARSER, FACTS)
    assert placed is not None
    return placed.lengths.at(np.arange(6) + np.repeat(placed.shifts, [1, 2, 3])).tolist()


def test_what_is_counted_is_found(folder: Path) -> None:
    index = index_of(folder)
    assert index.missing(PARSER, FACTS) == [0, 1, 2]
    assert index.lengths(PARSER, FACTS) is None
    index.build(PARSER, FACTS, [2, 0, 1], count)
    for same in (index, index_of(folder), pickle.loads(pickle.dumps(index))):
        assert same.missing(PARSER, FACTS) == []
        assert all_lengths(same) == [0, 10, 11, 20, 21, 22]
        assert same.facts() == FACTS


def test_a_shard_that_changed_is_missing_for_every_parser(folder: Path) -> None:
    index = index_of(folder)
    for parser in (PARSER, "other"):
        index.build(parser, FACTS, range(3), count)
    changed = [FACTS[0], ShardFacts(0, 2, "new", digest(b"")), FACTS[2]]
    assert index.missing(PARSER, changed) == [1]
    index.add("other", changed, {})
    assert index_of(folder).missing("other", changed) == [1]
    assert index_of(folder).missing(PARSER, changed) == [1]


def test_what_another_process_counted_meanwhile_is_kept_and_found(folder: Path) -> None:
    first, second = index_of(folder), index_of(folder)
    first.build(PARSER, FACTS, [0], count)
    second.build(PARSER, FACTS, [1, 2], count)
    assert all_lengths(first) == [0, 10, 11, 20, 21, 22]


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_what_was_counted_before_an_interruption_is_kept(folder: Path, seconds: float) -> None:
    def interrupted(shard: int) -> LengthArray:
        if shard == 2:
            raise KeyboardInterrupt
        return count(shard)

    with pytest.raises(KeyboardInterrupt):
        index_of(folder).build(PARSER, FACTS, range(3), interrupted, seconds_between_writes=seconds)
    assert index_of(folder).missing(PARSER, FACTS) == [2]
    assert {path.name for path in folder.iterdir()} == {"0.arecord", "1.arecord", "2.arecord", "lengths.manifest"}


def test_that_the_folder_cannot_be_written_shows_after_the_first_shard(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    counted: list[int] = []

    def noting(shard: int) -> LengthArray:
        counted.append(shard)
        return count(shard)

    with pytest.raises(SourceError, match=r"cannot be written: .*(ENOTDIR|EEXIST).* pass index_dir="):
        index_of(folder, tmp_path / "file" / "sub").build(PARSER, FACTS, range(3), noting)
    assert counted == [0]


def test_a_document_too_long_to_note_is_refused() -> None:
    assert to_lengths(np.array([2**32 - 1]), epath.Path("a")).tolist() == [2**32 - 1]
    with pytest.raises(SourceError, match=r"shard\.arecord: a document of 4294967296 tokens"):
        to_lengths(np.array([2**32]), epath.Path("shard.arecord"))


def test_one_process_may_build() -> None:
    require_single_process("Run once: command")


TRAINER = """
import sys

import jax
import numpy as np

import resumable_data as rd


def parse(record):
    return rd.parse_int32_tokens(record)[1:]


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    address, number, shard = sys.argv[1:]
    jax.distributed.initialize(address, 2, int(number))
    source = rd.ArrayRecordSource(shard, parse, version="7")
    print(source.read(np.array([0]))[0].tolist())
    try:
        print(source.lengths(np.array([0])))
    except rd.SourceError as error:
        print(error)
"""


def run_two(folder: Path, shard: Path) -> list[list[str]]:
    """What two real processes print that run the trainer, joined by jax.distributed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    processes = [
        subprocess.Popen(
            [sys.executable, "train.py", address, str(number), str(shard)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        printed = [process.communicate(timeout=300)[0].splitlines() for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return printed


def test_many_processes_are_told_the_command_instead_and_it_works(tmp_path: Path) -> None:
    shard = write_documents(tmp_path / "shard.arecord", [range(3)])
    (tmp_path / "train.py").write_text(TRAINER)
    command = f"resumable-data index {shard} --parse train:parse --version 7"
    for first, second in run_two(tmp_path, shard):
        assert first == "[1, 2]"
        assert second.endswith(f"Run once: {command}")
    assert {path.name for path in tmp_path.iterdir()} == {shard.name, "train.py"}

    # The command that belongs to this Python; the working folder alone makes train.py importable.
    arguments = shlex.split(command)
    tool = Path(sys.executable).with_name(arguments[0])
    subprocess.run([tool, *arguments[1:]], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    assert run_two(tmp_path, shard) == [["[1, 2]", "[2]"]] * 2
