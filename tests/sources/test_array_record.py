import errno
import os
import pickle
import re
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter

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
from resumable_data.arrays import Ragged
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.parse import parse_int32_tokens, raw_bytes
from resumable_data.sources.shards import find_shards


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "corpus")


def parse_text(record: bytes) -> list[int]:
    return [ord(character) for character in record.decode("ascii")]


class ParserObject:
    def __call__(self, record: bytes) -> list[int]:
        return list(record)


# Which files.


def test_the_shards_of_a_pattern_come_in_natural_order(folder: Path) -> None:
    source = open_tokens(f"{folder}/shard_*.arecord")
    assert len(source) == len(DOCUMENTS)
    assert read(source, range(len(DOCUMENTS))) == DOCUMENTS


def test_a_list_keeps_its_order(folder: Path) -> None:
    source = open_tokens([folder / "shard_10.arecord", str(folder / "shard_1.arecord")])
    assert read(source, range(5)) == SHARDS["shard_10.arecord"] + SHARDS["shard_1.arecord"]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_file_is_a_source(folder: Path, kind: type) -> None:
    assert read(open_tokens(kind(folder / "shard_2.arecord")), [1]) == [[5, 6]]


def test_a_list_may_mix_patterns_and_files(folder: Path) -> None:
    found = find_shards([folder / "shard_10.arecord", f"{folder}/shard_[12].arecord"])
    assert [path.name for path in found] == ["shard_10.arecord", "shard_1.arecord", "shard_2.arecord"]


@pytest.mark.parametrize("pattern", ["*/shard_1.arecord", "corpus/shard_?.arecord", "c[no]rpus/*"])
def test_patterns_may_stand_anywhere(tmp_path: Path, folder: Path, pattern: str) -> None:
    assert {path.parent.name for path in find_shards(f"{tmp_path}/{pattern}")} == {folder.name}


def test_a_relative_pattern_starts_at_the_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert [path.name for path in find_shards("shard_1*")] == ["shard_1.arecord", "shard_10.arecord"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("{}/absent.arecord", "{}/absent.arecord does not exist"),
        ("{}/absent_*.arecord", "no file matches {}/absent_*.arecord"),
        (["{}/shard_1.arecord", "{}/absent.arecord"], "{}/absent.arecord does not exist"),
        ("{}", "{} is a folder: give a pattern of the files in it"),
        ([], "no files were given"),
    ],
)
def test_missing_files_are_named(folder: Path, paths: str | list[str], message: str) -> None:
    given = paths.format(folder) if isinstance(paths, str) else [path.format(folder) for path in paths]
    with pytest.raises(SourceError, match=re.escape(message.format(folder))):
        open_tokens(given)


def test_an_empty_file_is_refused(folder: Path) -> None:
    (folder / "shard_2.arecord").write_bytes(b"")
    with pytest.raises(SourceError, match=r"shard_2\.arecord is empty \(0 bytes, no records\)"):
        open_tokens(f"{folder}/*.arecord")


@pytest.mark.parametrize("kept", [1, 1000, 65_536, -1])
def test_a_truncated_file_is_refused_with_its_size(folder: Path, kept: int) -> None:
    shard = folder / "shard_2.arecord"
    content = shard.read_bytes()[:kept]
    shard.write_bytes(content)
    with pytest.raises(SourceError, match=rf"shard_2\.arecord is truncated .*\({len(content)} bytes"):
        open_tokens(f"{folder}/*.arecord")


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.arecord").write_text("no ArrayRecord\n" * 10_000)
    with pytest.raises(SourceError, match=r"text\.arecord .*not an ArrayRecord file"):
        open_tokens(tmp_path / "text.arecord")


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.arecord .*no records"):
        open_tokens(write_records(tmp_path / "none.arecord", []))


# Reading.


@pytest.mark.parametrize("indices", [[0], [6, 0, 3, 3, 1, 6], [2, 1], [5, 4, 3, 2, 1, 0], [4, 4, 4]])
def test_records_come_in_the_order_asked_for(folder: Path, indices: list[int]) -> None:
    source = open_tokens(f"{folder}/*.arecord")
    assert read(source, indices) == [DOCUMENTS[index] for index in indices]
    assert source.lengths(np.array(indices)).tolist() == [LENGTHS[index] for index in indices]


def test_many_requests_over_many_files_agree_with_what_was_written(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    documents = [draw.integers(0, 2**31 - 1, draw.integers(0, 50)).tolist() for _ in range(500)]
    for number in range(5):
        write_documents(tmp_path / f"{number}.arecord", documents[number * 100 : (number + 1) * 100])
    source = open_tokens(f"{tmp_path}/*.arecord")
    for _ in range(20):
        indices = draw.integers(0, 500, draw.integers(1, 200))
        assert read(source, indices) == [documents[index] for index in indices]


@pytest.mark.parametrize("options", ["group_size:1", "group_size:16", "group_size:1,uncompressed"])
def test_files_of_any_group_size_and_compression_can_be_read(tmp_path: Path, options: str) -> None:
    path = write_records(tmp_path / "a.arecord", [to_bytes(range(n)) for n in range(40)], options)
    assert read(open_tokens(path), [39, 0, 17]) == [list(range(39)), [], list(range(17))]


def test_raw_tokens_are_read_into_one_buffer_with_a_free_cell_each(folder: Path) -> None:
    documents = open_tokens(f"{folder}/*.arecord").read(np.array([3, 0]))
    assert isinstance(documents, Ragged)
    assert documents.spare == 1
    assert documents.values[:2].tolist() + documents.values[3:6].tolist() == [5, 6, 1, 2, 3]


@pytest.mark.parametrize("outside", [-1, 7, 10**12])
def test_an_index_outside_is_refused(folder: Path, outside: int) -> None:
    source = open_tokens(f"{folder}/*.arecord")
    for method in (source.read, source.lengths):
        with pytest.raises(IndexError, match=rf"shard_1.* has records 0 to 6; asked for {outside}"):
            method(np.array([0, outside]))


def test_a_closed_source_holds_no_file_and_opens_them_again(folder: Path) -> None:
    source = open_tokens(f"{folder}/*.arecord")
    before = read(source, range(7))
    source.close()
    assert not open_files(folder)
    assert read(source, range(7)) == before == DOCUMENTS
    source.close()
    source.close()


def open_files(folder: Path) -> list[str]:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("open files can only be seen under /proc")
    targets = [str(link.readlink()) for link in descriptors.iterdir() if link.is_symlink()]
    return [target for target in targets if target.startswith(str(folder))]


def test_a_file_that_goes_missing_is_named(folder: Path) -> None:
    source = open_tokens(f"{folder}/*.arecord")
    source.close()
    (folder / "shard_2.arecord").unlink()
    assert read(source, [0]) == [DOCUMENTS[0]]
    with pytest.raises(SourceError, match=r"shard_2\.arecord cannot be read: No such file or directory \(ENOENT\)"):
        source.read(np.array([0, 2]))


def test_a_damaged_block_is_found(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    path = write_documents(tmp_path / "a.arecord", [draw.integers(0, 2**31, 1000).tolist() for _ in range(100)])
    content = bytearray(path.read_bytes())
    content[100_000:100_100] = bytes(100)
    path.write_bytes(bytes(content))
    with pytest.raises(SourceError, match=r"a\.arecord cannot be read"):
        open_tokens(path).read(np.arange(100))


# Parsing.


@pytest.mark.parametrize("parse", [parse_text, ParserObject(), list])
def test_any_named_callable_parses(tmp_path: Path, parse: Callable[[bytes], list[int]]) -> None:
    path = write_records(tmp_path / "a.arecord", [b"ab", b"", b"c"])
    source = ArrayRecordSource(path, parse, progress=False)
    assert read(source, [2, 0, 1]) == [[99], [97, 98], []]
    assert source.lengths(np.arange(3)).tolist() == [2, 0, 1]


@pytest.mark.parametrize("parse", [lambda record: list(record), partial(np.frombuffer, dtype="<i4")])
def test_a_parser_without_a_lasting_name_is_refused(folder: Path, parse: Callable[[bytes], object]) -> None:
    with pytest.raises(PipelineError, match=r"ArrayRecordSource: parse: .* has no lasting name"):
        ArrayRecordSource(f"{folder}/*.arecord", parse)


def test_a_record_that_cannot_be_parsed_is_named(tmp_path: Path) -> None:
    write_records(tmp_path / "1.arecord", [b"ab", b"c"])
    path = write_records(tmp_path / "2.arecord", [b"d", "é".encode(), b"f"])
    source = ArrayRecordSource(f"{tmp_path}/*.arecord", parse_text)
    with pytest.raises(RecordError, match=rf"record 3 \(record 1 of {re.escape(str(path))}\): .*ascii") as caught:
        source.read(np.array([0, 4, 3]))
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)
    assert read(source, [0, 4]) == [[97, 98], [102]]


def test_a_record_that_is_no_array_of_tokens_is_named(tmp_path: Path) -> None:
    write_documents(tmp_path / "1.arecord", [[1], [2]])
    path = write_records(tmp_path / "2.arecord", [to_bytes([3]), b"12345"])
    source = open_tokens(f"{tmp_path}/*.arecord")
    message = rf"record 3 \(record 1 of {re.escape(str(path))}\): .*5 bytes.* not a multiple of 4"
    with pytest.raises(RecordError, match=message):
        source.read(np.array([2, 3, 0]))
    assert read(source, [2, 0]) == [[3], [1]]


# Fingerprints.


def fingerprint(folder: Path, **settings: object) -> str:
    settings = {"parse": parse_int32_tokens, **settings}
    return ArrayRecordSource(f"{folder}/*.arecord", **settings).fingerprint()


def test_the_same_data_in_another_folder_has_the_same_fingerprint(folder: Path, tmp_path: Path) -> None:
    copy = folder.rename(tmp_path / "elsewhere")
    write_shards(folder)
    assert fingerprint(copy) == fingerprint(folder)


def test_neither_times_nor_indexes_nor_progress_count(folder: Path, tmp_path: Path) -> None:
    before = fingerprint(folder)
    os.utime(folder / "shard_1.arecord", (1, 1))
    open_tokens(f"{folder}/*.arecord").build_index()
    assert fingerprint(folder, progress=False, index_dir=tmp_path) == before


def rename(folder: Path) -> None:
    (folder / "shard_2.arecord").rename(folder / "shard_3.arecord")


def add_shard(folder: Path) -> None:
    write_documents(folder / "shard_11.arecord", [[1]])


def remove_shard(folder: Path) -> None:
    (folder / "shard_10.arecord").unlink()


def add_record(folder: Path) -> None:
    write_documents(folder / "shard_2.arecord", [*SHARDS["shard_2.arecord"], [1]])


def edit_token(folder: Path) -> None:
    write_documents(folder / "shard_2.arecord", [[], [5, 7]])


def swap_shards(folder: Path) -> None:
    (folder / "shard_2.arecord").rename(folder / "kept")
    (folder / "shard_1.arecord").rename(folder / "shard_2.arecord")
    (folder / "kept").rename(folder / "shard_1.arecord")


@pytest.mark.parametrize("change", [rename, add_shard, remove_shard, add_record, edit_token, swap_shards])
def test_other_files_have_another_fingerprint(folder: Path, change: Callable[[Path], None]) -> None:
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder) != before


def test_an_edit_that_shifts_a_large_file_of_equal_size_is_seen(tmp_path: Path) -> None:
    documents = np.random.default_rng(1).integers(0, 2**31, (300, 1000)).tolist()
    path = write_documents(tmp_path / "large.arecord", documents)
    size, before = path.stat().st_size, fingerprint(tmp_path)
    documents[20][:100] = [0] * 100
    write_documents(path, documents)
    assert path.stat().st_size == size
    assert fingerprint(tmp_path) != before


def test_another_parser_or_version_has_another_fingerprint(folder: Path) -> None:
    fingerprints = [
        fingerprint(folder),
        fingerprint(folder, version="1"),
        fingerprint(folder, version="2"),
        fingerprint(folder, parse=parse_text),
        fingerprint(folder, parse=ParserObject()),
    ]
    assert len(set(fingerprints)) == len(fingerprints)


def test_another_order_of_the_files_has_another_fingerprint(folder: Path) -> None:
    paths = [folder / name for name in SHARDS]
    assert open_tokens(paths).fingerprint() != open_tokens(paths[::-1]).fingerprint()


def test_a_source_says_what_it_is(folder: Path) -> None:
    assert repr(open_tokens(f"{folder}/*.arecord")) == "ArrayRecord source shard_1.arecord … (7 records)"
    assert repr(open_tokens(folder / "shard_1.arecord")) == "ArrayRecord source shard_1.arecord (2 records)"


def test_a_pickled_source_opens_files_and_lengths_of_its_own(folder: Path) -> None:
    source = open_tokens(folder / "*.arecord")
    everything = range(len(DOCUMENTS))
    assert read(source, everything) == DOCUMENTS
    source.lengths(np.arange(len(DOCUMENTS)))

    text = pickle.dumps(source)
    source.close()
    copy = pickle.loads(text)

    assert "_lengths" not in copy.__dict__
    assert read(copy, everything) == DOCUMENTS
    assert copy.lengths(np.arange(len(DOCUMENTS))).tolist() == LENGTHS
    assert copy.fingerprint() == source.fingerprint()


def test_records_can_be_indexed_and_parsed_by_something_else(folder: Path) -> None:
    source = ArrayRecordSource(str(folder / "*.arecord"), raw_bytes, index_dir=folder / "index", progress=False)
    assert source[3] == to_bytes(DOCUMENTS[3])
    with pytest.raises(IndexError):
        source[len(DOCUMENTS)]
    tokens = source.parsed_by(parse_int32_tokens)
    assert (source.parse, tokens.parse) == (raw_bytes, parse_int32_tokens)
    assert read(tokens, range(len(DOCUMENTS))) == DOCUMENTS
    assert tokens.lengths(np.arange(len(DOCUMENTS))).tolist() == LENGTHS
    assert manifests(folder / "index")
    assert not manifests(folder)
    assert tokens.fingerprint() == open_tokens(str(folder / "*.arecord")).fingerprint() != source.fingerprint()


def parse_with_a_file(record: bytes) -> list[int]:
    if record == b"busy":
        raise OSError(errno.EMFILE, "Too many open files")
    if record == b"gone":
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
    return [len(record)]


def test_an_error_of_the_system_is_not_called_a_bad_record(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.arecord", [b"sound", b"busy", b"gone"])
    source = ArrayRecordSource(path, parse_with_a_file)
    assert read(source, [0]) == [[5]]
    with pytest.raises(SourceError, match=r"record 1 .* cannot be parsed: Too many open files \(EMFILE\)"):
        source.read(np.array([0, 1]))
    with pytest.raises(RecordError, match="record 2 "):
        source.read(np.array([0, 2]))


def test_int64_tokens_that_are_read_as_int32_are_warned_of_once(tmp_path: Path) -> None:
    writer = ArrayRecordWriter(str(tmp_path / "web.arecord"), "group_size:1")
    for start in range(4):
        writer.write(np.arange(start + 1, start + 9).astype(np.int64).tobytes())
    writer.close()
    source = ArrayRecordSource(tmp_path / "web.arecord", parse_int32_tokens)

    with pytest.warns(UserWarning, match="are these int64 tokens"):
        source.read(np.arange(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source.read(np.arange(4))
