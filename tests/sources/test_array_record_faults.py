"""Faults that were found once: unusual folders, failing files, small sizes."""

import numpy as np
import pytest

from property_tests.testing.array_record_shards import to_bytes, write_records
from resumable_data.errors import RecordError, SourceError
from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.parse import parse_int32_tokens


def write(path, documents, options="group_size:1"):
    return write_records(path, map(to_bytes, documents), options)


def tokens(paths, **settings):
    return ArrayRecordSource(paths, parse_int32_tokens, progress=False, **settings)


def test_shards_of_one_name_in_two_folders_may_share_an_index_dir(tmp_path):
    shards = [write(tmp_path / name / "x.arecord", [[0] * tokens] * 2) for name, tokens in (("a", 1), ("b", 2))]
    source = tokens(shards, index_dir=tmp_path / "index")
    assert source.lengths(np.array([0])).tolist() == [1]
    assert source.lengths(np.array([0, 3])).tolist() == [1, 2]


def test_no_indices_give_no_documents(tmp_path):
    source = tokens(write(tmp_path / "a.arecord", [[1]]))
    assert len(source.read(np.zeros(0, np.int64))) == len(source.lengths(np.zeros(0, np.int64))) == 0


def test_a_pattern_never_finds_the_sidecars_beside_the_shards(tmp_path):
    write(tmp_path / "shard_0.arecord", [[1]])
    tokens(f"{tmp_path}/shard_*").build_index()
    assert len(tokens(f"{tmp_path}/shard_*")) == 1


def test_an_index_dir_below_a_file_is_a_source_error(tmp_path):
    shard = write(tmp_path / "a.arecord", [[1]])
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        tokens(shard, index_dir=tmp_path / "file" / "sub").build_index()


def test_a_read_error_does_not_outlive_its_cause(tmp_path):
    shard = write(tmp_path / "a.arecord", [[1]])
    source = tokens(shard)
    source.close()
    shard.rename(tmp_path / "away")
    with pytest.raises(SourceError):
        source.read(np.array([0]))
    (tmp_path / "away").rename(shard)
    assert source.read(np.array([0]))[0].tolist() == [1]


def test_closing_after_a_read_error_raises_nothing(tmp_path):
    draw = np.random.default_rng(1)
    shard = write(tmp_path / "a.arecord", draw.integers(0, 10**4, (200, 1000)))
    source = tokens(shard)
    source.close()
    shard.write_bytes(shard.read_bytes()[:70_000])
    with pytest.raises(SourceError):
        source.read(np.array([150]))
    source.close()


@pytest.mark.parametrize("options", ["group_size:1", "group_size:1,uncompressed"])
def test_an_edit_near_the_end_of_a_large_file_is_seen(tmp_path, options):
    documents = np.random.default_rng(1).integers(0, 2**31, (300, 200))
    before = tokens(write(tmp_path / "a.arecord", documents, options)).fingerprint()
    documents[-1, -1] ^= 1
    assert tokens(write(tmp_path / "a.arecord", documents, options)).fingerprint() != before


def test_a_removed_shard_is_a_source_error_everywhere(tmp_path):
    shard = write(tmp_path / "a.arecord", [[1]])
    source = tokens(shard)
    shard.unlink()
    for _ in range(2):
        with pytest.raises(SourceError, match=r"No such file or directory \(ENOENT\)\. Trying again does not help"):
            source.read(np.array([0]))


def not_sized(record: bytes) -> int:
    return len(record)


def test_a_document_without_length_is_a_record_error(tmp_path):

    with pytest.raises(RecordError, match="record 0"):
        ArrayRecordSource(write(tmp_path / "a.arecord", [[1]]), not_sized, progress=False).lengths(np.array([0]))


def test_a_recursive_pattern_says_that_it_is_not_supported(tmp_path):
    with pytest.raises(SourceError, match="list the folders"):
        tokens(f"{tmp_path}/**/x.arecord")
