"""The lengths of a corpus of shards: counted once, kept in one manifest, counted again where shards change."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from property_tests.testing.array_record_shards import (
    DOCUMENTS,
    LENGTHS,
    SHARDS,
    manifests,
    open_tokens,
    read,
    to_bytes,
    write_documents,
    write_records,
    write_shards,
)
from resumable_data.errors import RecordError, SourceError
from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.parse import parse_int32_tokens


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "corpus")


parsed: list[bytes] = []


def parse_and_note(record: bytes) -> list[int]:
    """Notes what it is called with, so that a test knows what was read again."""
    parsed.append(record)
    return np.frombuffer(record, "<i4").tolist()


def open_noting(folder: Path, **settings: object) -> ArrayRecordSource:
    return ArrayRecordSource(f"{folder}/*.arecord", parse_and_note, progress=False, **settings)


def test_the_index_is_built_once(folder: Path) -> None:
    parsed.clear()
    assert open_noting(folder).lengths(np.arange(7)).tolist() == LENGTHS
    assert len(parsed) == 7
    (manifest,) = manifests(folder)
    before = manifest.stat()

    second = open_noting(folder)
    assert second.lengths(np.array([5, 0])).tolist() == [4, 3]
    second.build_index()
    assert len(parsed) == 7
    assert (manifest.stat().st_mtime_ns, manifest.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_opening_and_reading_build_no_index(folder: Path) -> None:
    source = open_tokens(f"{folder}/*.arecord")
    read(source, [0])
    source.fingerprint()
    assert not manifests(folder)


def test_one_changed_shard_alone_is_counted_again(folder: Path) -> None:
    open_noting(folder).build_index()
    write_documents(folder / "shard_2.arecord", [[1, 1, 1, 1, 1], [1], [2]])

    parsed.clear()
    source = open_noting(folder)
    source.build_index()
    assert len(parsed) == 3
    for changed in (source, open_noting(folder)):
        assert changed.lengths(np.arange(8)).tolist() == [3, 1, 5, 1, 1, 1, 4, 1]
        assert read(changed, [2, 7]) == [[1, 1, 1, 1, 1], [12]]


def test_a_shard_that_was_changed_is_not_read_under_its_old_manifest(folder: Path) -> None:
    open_tokens(f"{folder}/*.arecord").build_index()
    write_documents(folder / "shard_2.arecord", [[], [5, 7]])
    source = open_tokens(f"{folder}/*.arecord")
    assert read(source, [0, 6]) == [DOCUMENTS[0], DOCUMENTS[6]]
    message = r"shard_2\.arecord was changed.* Run once: resumable-data index '.*/\*\.arecord'"
    for _ in range(2):
        with pytest.raises(SourceError, match=message):
            source.read(np.array([0, 2]))


def test_data_made_anew_is_seen_when_it_is_opened(folder: Path) -> None:
    before = open_tokens(f"{folder}/*.arecord")
    before.build_index()
    for name, documents in SHARDS.items():
        write_documents(folder / name, [[*document, 77] for document in documents])
    after = open_tokens(f"{folder}/*.arecord")
    assert after.fingerprint() != before.fingerprint()
    assert after.lengths(np.arange(7)).tolist() == [length + 1 for length in LENGTHS]
    assert read(after, [6]) == [[12, 77]]


def test_a_first_shard_that_is_gone_is_missing(folder: Path) -> None:
    paths = [folder / name for name in SHARDS]
    open_tokens(paths).build_index()
    paths[0].unlink()
    with pytest.raises(SourceError, match=r"shard_1\.arecord does not exist"):
        open_tokens(paths)
    assert len(open_tokens(paths[1:])) == 5


@pytest.mark.parametrize("change", [{"version": "2"}, {"parse": parse_int32_tokens}])
def test_parsers_count_side_by_side(folder: Path, change: dict) -> None:
    settings = {"parse": parse_and_note, "progress": False}
    ArrayRecordSource(f"{folder}/*.arecord", **settings).build_index()
    ArrayRecordSource(f"{folder}/*.arecord", **{**settings, **change}).build_index()
    assert len(manifests(folder)) == 1
    parsed.clear()
    for each in ({}, change):
        source = ArrayRecordSource(f"{folder}/*.arecord", **{**settings, **each})
        assert source.lengths(np.arange(7)).tolist() == LENGTHS
    assert not parsed


def test_a_part_of_a_corpus_uses_the_manifest_of_all(folder: Path) -> None:
    open_noting(folder).build_index()
    parsed.clear()
    paths = [folder / "shard_10.arecord", folder / "shard_1.arecord", folder / "shard_10.arecord"]
    part = ArrayRecordSource(paths, parse_and_note, progress=False)
    assert part.lengths(np.array([0, 1, 3, 4, 6])).tolist() == [1, 4, 3, 1, 4]
    assert not parsed


def test_a_part_is_counted_first_and_the_rest_added(folder: Path) -> None:
    ArrayRecordSource(folder / "shard_2.arecord", parse_and_note, progress=False).build_index()
    parsed.clear()
    assert open_noting(folder).lengths(np.arange(7)).tolist() == LENGTHS
    assert len(parsed) == 5


def test_shards_of_several_folders_have_one_manifest_above_them(tmp_path: Path) -> None:
    shards = [write_documents(tmp_path / name / "0.arecord", [[1] * n]) for name, n in (("b", 1), ("a", 2))]
    open_tokens(shards).build_index()
    assert len(manifests(tmp_path)) == 1
    assert open_tokens(f"{tmp_path}/*/0.arecord").lengths(np.arange(2)).tolist() == [2, 1]


def test_a_corpus_may_be_moved_with_its_manifest(folder: Path, tmp_path: Path) -> None:
    open_noting(folder).build_index()
    parsed.clear()
    moved = folder.rename(tmp_path / "moved")
    assert open_noting(moved).lengths(np.arange(7)).tolist() == LENGTHS
    assert not parsed


def test_the_index_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    index_dir = tmp_path / "deep" / "indexes"
    source = open_tokens(f"{folder}/*.arecord", index_dir=index_dir)
    assert source.lengths(np.arange(7)).tolist() == LENGTHS
    assert len(manifests(index_dir)) == 1
    assert {path.name for path in folder.iterdir()} == SHARDS.keys()


def test_corpora_of_the_same_names_may_share_an_index_dir(tmp_path: Path) -> None:
    for name, tokens in (("web", 1), ("code", 2)):
        shard = write_documents(tmp_path / name / "train_0.arecord", [[7] * tokens])
        open_tokens(shard, index_dir=tmp_path / "index").build_index()
    for name, tokens in (("web", 1), ("code", 2)):
        source = open_tokens(f"{tmp_path}/{name}/*", index_dir=tmp_path / "index")
        assert source.lengths(np.array([0])).tolist() == [tokens]


@pytest.mark.parametrize("content", [b"", b"no manifest", b"resumable_data.lengths/1 12"])
def test_a_damaged_index_is_named_with_what_to_do(folder: Path, content: bytes) -> None:
    open_tokens(f"{folder}/*.arecord").build_index()
    (manifest,) = manifests(folder)
    manifest.write_bytes(content)
    with pytest.raises(SourceError, match=rf"{re.escape(str(manifest))} is damaged .*delete it"):
        open_tokens(f"{folder}/*.arecord")
    manifest.unlink()
    assert open_tokens(f"{folder}/*.arecord").lengths(np.arange(7)).tolist() == LENGTHS


def test_what_was_counted_before_an_error_is_kept(folder: Path) -> None:
    bad = write_records(folder / "shard_3.arecord", [b"bad"])
    parsed.clear()
    with pytest.raises(RecordError, match="record 4 "):
        open_noting(folder).lengths(np.array([0]))
    assert len(parsed) == 5
    write_documents(bad, [[1]])
    parsed.clear()
    source = open_noting(folder)
    source.build_index()
    assert source.lengths(np.arange(8)).tolist() == [3, 1, 0, 2, 1, 1, 4, 1]
    assert len(parsed) == 4


def test_facts_alone_can_be_indexed_for_documents_without_known_lengths(folder: Path) -> None:
    open_noting(folder).build_index(lengths=False)
    parsed.clear()
    source = open_noting(folder)
    assert len(source) == 7
    assert not parsed
    assert source.lengths(np.arange(7)).tolist() == LENGTHS


def test_a_bad_record_leaves_no_index_behind(tmp_path: Path) -> None:
    write_records(tmp_path / "a.arecord", [to_bytes([1]), b"bad"])
    source = open_tokens(tmp_path / "a.arecord")
    for _ in range(2):
        with pytest.raises(RecordError, match="record 1 "):
            source.lengths(np.array([0]))
        assert [path.name for path in tmp_path.iterdir()] == ["a.arecord"]


@pytest.mark.parametrize(("progress", "shown"), [(True, "lengths index"), (False, "")])
def test_building_an_index_shows_progress_if_wanted(
    folder: Path, capfd: pytest.CaptureFixture[str], progress: bool, shown: str
) -> None:
    ArrayRecordSource(f"{folder}/*.arecord", parse_int32_tokens, progress=progress).build_index()
    out, err = capfd.readouterr()
    assert out == ""
    assert shown in err
    assert bool(err) == progress


class FailingOnce(ArrayRecordSource):
    """Storage that fails at the first read."""

    failed = False

    def read(self, indices: np.ndarray) -> object:
        if not self.failed:
            self.failed = True
            raise OSError("connection reset")
        return super().read(indices)


def test_storage_that_fails_while_lengths_are_counted_is_asked_again(folder: Path) -> None:
    source = FailingOnce(f"{folder}/*.arecord", parse_int32_tokens, progress=False)

    assert source.lengths(np.arange(7)).tolist() == LENGTHS
    assert source.failed
