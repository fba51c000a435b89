"""The manifest as a source asks it and adds to it."""

from __future__ import annotations

import os
import pickle
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
from resumable_data.sources import lengths_index
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
def test_what_was_counted_before_an_interruption_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(lengths_index, "_SECONDS_BETWEEN_WRITES", seconds)

    def interrupted(shard: int) -> LengthArray:
        if shard == 2:
            raise KeyboardInterrupt
        return count(shard)

    with pytest.raises(KeyboardInterrupt):
        index_of(folder).build(PARSER, FACTS, range(3), interrupted)
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


def test_many_processes_are_told_the_command_instead(tmp_path: Path) -> None:
    """Two real processes, joined by jax.distributed."""
    shard = write_documents(tmp_path / "shard.arecord", [range(3)])
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    program = (
        "import jax, sys, numpy as np, resumable_data as rd\n"
        "jax.config.update('jax_platforms', 'cpu')\n"
        "jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))\n"
        "try:\n"
        "    source = rd.ArrayRecordSource(sys.argv[3], rd.parse_int32_tokens, version='7')\n"
        "    print(source.read(np.array([0]))[0].tolist())\n"
        "    source.lengths(np.array([0]))\n"
        "except rd.SourceError as error:\n"
        "    print(error)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, address, str(number), str(shard)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        for process in processes:
            printed, _ = process.communicate(timeout=300)
            assert process.returncode == 0
            assert printed.startswith("[0, 1, 2]\n")
            assert f"Run once: resumable-data index {shard} --version 7" in printed
    finally:
        for process in processes:
            process.kill()
    assert [path.name for path in tmp_path.iterdir()] == [shard.name]
