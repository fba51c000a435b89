"""The command that counts token lengths before a run of many processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from click.testing import CliRunner

from resumable_data.cli import main


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for shard in range(2):
        writer = ArrayRecordWriter(str(tmp_path / f"train_{shard}.arecord"), "group_size:1")
        writer.write(np.arange(3, dtype="<i4").tobytes())
        writer.close()
    return tmp_path


def indexes(folder: Path) -> list[str]:
    return sorted(path.name.split(".")[0] for path in folder.glob("*.lengths.npy"))


def test_index_counts_the_lengths_of_every_shard(shards: Path) -> None:
    result = CliRunner().invoke(main, ["index", f"{shards}/train_*.arecord", "--no-progress"])

    assert result.exit_code == 0, result.output
    assert "2 records" in result.output
    assert indexes(shards) == ["train_0", "train_1"]


def test_indexes_may_lie_elsewhere(shards: Path) -> None:
    elsewhere = shards / "elsewhere"
    arguments = ["index", f"{shards}/train_0.arecord", "--index-dir", str(elsewhere), "--no-progress"]

    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert (indexes(elsewhere), indexes(shards)) == (["train_0"], [])


@pytest.mark.parametrize("parser", ["no_such_module:parse", "resumable_data:no_such_parser"])
def test_an_unknown_parser_is_refused(shards: Path, parser: str) -> None:
    result = CliRunner().invoke(main, ["index", f"{shards}/train_0.arecord", "--parse", parser])

    assert result.exit_code == 2
    assert "is no parser" in result.output
