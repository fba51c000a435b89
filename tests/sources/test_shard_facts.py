"""What is read of a shard before its records are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from etils import epath

from property_tests.testing.array_record_shards import write_records
from resumable_data.errors import SourceError
from resumable_data.sources.shard_facts import is_unchanged, measure_shard, sample_of


def shard(path: Path, records: int = 300, tokens: int = 1000, seed: int = 1) -> epath.Path:
    drawn = np.random.default_rng(seed).integers(0, 256, (records, 4 * tokens), np.uint8)
    return epath.Path(write_records(path, [record.tobytes() for record in drawn], "group_size:1,uncompressed"))


def test_neither_folder_nor_time_counts(tmp_path: Path) -> None:
    one, other = shard(tmp_path / "a" / "0.arecord"), shard(tmp_path / "b" / "0.arecord")
    os.utime(other, (1, 1))
    assert measure_shard(one) == measure_shard(other)
    assert measure_shard(one).records == 300


@pytest.mark.parametrize("place", [0, -1, -65_536, -100_000, -262_144])
def test_a_byte_changed_at_the_beginning_or_end_is_seen(tmp_path: Path, place: int) -> None:
    path = shard(tmp_path / "0.arecord")
    before = measure_shard(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))
    if place:
        assert not is_unchanged(path, before)
    assert sample_of(path) != before.fingerprint


def test_another_shard_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = shard(tmp_path / "0.arecord")
    before, sample, stat = measure_shard(path), sample_of(path), path.stat()
    shard(tmp_path / "0.arecord", seed=2)
    os.utime(path, (stat.mtime, stat.mtime))
    assert path.stat().length == before.size
    assert measure_shard(path).fingerprint != before.fingerprint
    assert sample_of(path) != sample
    assert not is_unchanged(path, before)


@pytest.mark.parametrize("tokens", [1, 1000])
def test_what_did_not_change_is_accepted(tmp_path: Path, tokens: int) -> None:
    path = shard(tmp_path / "0.arecord", tokens=tokens)
    assert is_unchanged(path, measure_shard(path))


def test_a_folder_in_place_of_a_shard_is_called_that(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Is a directory \(EISDIR\)\. Trying again does not help"):
        measure_shard(epath.Path(tmp_path))
