"""The command that counts token lengths before a run of many processes."""

from __future__ import annotations

import operator
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import resumable_data as rd
from property_tests.testing.array_record_shards import write_documents
from resumable_data.cli import main


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for shard in range(2):
        write_documents(tmp_path / f"train_{shard}.arecord", [range(3)])
    return tmp_path


def indexes(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*lengths.manifest")]


def test_index_counts_the_lengths_of_every_shard(shards: Path) -> None:
    result = CliRunner().invoke(main, ["index", f"{shards}/train_*.arecord", "--no-progress"])

    assert result.exit_code == 0, result.output
    assert "2 records" in result.output
    assert indexes(shards) == ["lengths.manifest"]
    shards.joinpath("train_1.arecord").unlink()
    assert rd.ArrayRecordSource(f"{shards}/train_*", rd.parse_int32_tokens).lengths(np.array([0])).tolist() == [3]


def test_indexes_may_lie_elsewhere(shards: Path) -> None:
    elsewhere = shards / "elsewhere"
    arguments = ["index", f"{shards}/train_0.arecord", "--index-dir", str(elsewhere), "--no-progress"]

    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert (len(indexes(elsewhere)), indexes(shards)) == (1, [])


def test_what_fails_is_said_without_a_traceback(shards: Path) -> None:
    (shards / "train_1.arecord").write_bytes(b"")
    result = CliRunner().invoke(main, ["index", f"{shards}/train_*.arecord", "--no-progress"])
    assert result.exit_code == 2
    assert re.fullmatch(r"Error: .*train_1\.arecord is empty .*\n", result.output)


def parse_two(record: bytes) -> list[int]:
    return [1, 2]


class Nested:
    @staticmethod
    def parse(record: bytes) -> list[int]:
        return [1]


@pytest.mark.parametrize(("name", "length"), [("parse_two", 2), ("Nested.parse", 1)])
def test_a_parser_is_named_with_its_module(shards: Path, name: str, length: int) -> None:
    parse = operator.attrgetter(name)(sys.modules[__name__])
    arguments = ["index", f"{shards}/train_*.arecord", "--parse", f"{__name__}:{name}", "--no-progress"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    source = rd.ArrayRecordSource(f"{shards}/train_*.arecord", parse, progress=False)
    assert source.lengths(np.arange(2)).tolist() == [length, length]


def test_the_command_is_also_a_module() -> None:
    shown = subprocess.run([sys.executable, "-m", "resumable_data.cli", "--help"], capture_output=True, check=True)
    assert b"index" in shown.stdout


@pytest.mark.parametrize("parser", ["no_such_module:parse", "resumable_data:no_such_parser"])
def test_an_unknown_parser_is_refused(shards: Path, parser: str) -> None:
    result = CliRunner().invoke(main, ["index", f"{shards}/train_0.arecord", "--parse", parser])

    assert result.exit_code == 2
    assert "is not a parser" in result.output
