"""Files and folders that a source opens."""

import gzip
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.hugging_face_data import (
    DOCUMENTS,
    TEXTS,
    dataset_of,
    open_files,
    read,
    write_lines,
    write_parquet,
)
from resumable_data.sources.hugging_face import HuggingFaceSource
from resumable_data.sources.source import knows_lengths


def test_files_come_in_natural_order_and_a_list_keeps_its_own(tmp_path: Path) -> None:
    paths = [write_parquet(tmp_path / f"part_{n}.parquet", [f"{n} a", f"{n} b"]) for n in (1, 2, 10)]
    pattern = open_files(f"{tmp_path}/part_*.parquet", tmp_path)
    assert read(pattern) == ["1 a", "1 b", "2 a", "2 b", "10 a", "10 b"]
    listed = open_files([paths[2], str(paths[0])], tmp_path)
    assert read(listed) == ["10 a", "10 b", "1 a", "1 b"]
    assert repr(listed) == "part_10.parquet …, column 'text' (4 records)"


@pytest.mark.parametrize("name", ["a.jsonl", "a.JSON", "a.ndjson", "a [1] name*?.jsonl"])
def test_json_lines_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    write_lines(tmp_path / "f[o]lder" / name, [{"tokens": document} for document in DOCUMENTS])
    source = open_files(f"{tmp_path}/f*/a*", tmp_path, "tokens")
    assert read(source) == DOCUMENTS
    assert knows_lengths(source)


def test_text_files_have_a_record_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nthree", encoding="utf-8")
    source = open_files(tmp_path / "a.txt", tmp_path)
    assert read(source) == ["one", "", "three"]


def test_compressed_files(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert read(open_files(tmp_path / "a.jsonl.gz", tmp_path)) == TEXTS


def test_a_file_written_anew_is_converted_anew(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "old"}])
    open_files(path, tmp_path)
    assert list((tmp_path / "cache").rglob("*.arrow"))
    write_lines(path, [{"text": "new"}])
    os.utime(path, (2 * 10**9, 2 * 10**9))
    assert read(open_files(path, tmp_path)) == ["new"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no files were given"),
        (["absent.parquet"], "absent.parquet does not exist"),
        (["a.csv"], "files must be of one kind, out of .parquet, .jsonl, .ndjson, .json, .txt; these are .csv"),
        (["a.jsonl", "b.txt"], "files must be of one kind, out of .+; these are .jsonl, .txt"),
        (["empty.jsonl"], "empty.jsonl is empty (0 bytes, no records)"),
        (["damaged.parquet"], "damaged.parquet cannot be read: ArrowInvalid('Parquet file size is 4 bytes"),
        (["latin.txt"], "latin.txt cannot be read: UnicodeDecodeError('utf-8', b'"),
        (["no.jsonl"], "no.jsonl cannot be read: "),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, paths: list[str], message: str) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / "a.csv").write_text("text\na\n")
    (tmp_path / "b.txt").write_text("b\n")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "damaged.parquet").write_bytes(b"oops")
    (tmp_path / "latin.txt").write_bytes(b"\xff\n\xfe\n")
    (tmp_path / "no.jsonl").write_text("neither\nnor\n")
    with pytest.raises(rd.SourceError, match=re.escape(message).replace(r"\.\+", ".+")):
        open_files([tmp_path / path for path in paths], tmp_path)


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_a_dataset_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(rd.SourceError, match=f"{name} cannot be read as a dataset of save_to_disk"):
        HuggingFaceSource.from_disk(tmp_path / name)


def test_local_files_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address))
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    write_parquet(tmp_path / "a.parquet", TEXTS)
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / "a.txt").write_text("a\n")
    dataset_of().save_to_disk(tmp_path / "saved")
    for name in ("a.parquet", "a.jsonl", "a.txt"):
        read(open_files(tmp_path / name, tmp_path))
    read(HuggingFaceSource.from_disk(tmp_path / "saved", "tokens"))
    assert asked == []


def test_lines_are_known_where_records_are_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n\n{"text": "two"}\n')
    write_parquet(tmp_path / "b.parquet", ["three"])
    lines, rows = open_files(tmp_path / "a.jsonl", tmp_path), open_files(tmp_path / "b.parquet", tmp_path)
    assert [lines.line_of(0), lines.line_of(1), rows.line_of(0)] == [1, 3, None]
    data = rd.Dataset.from_source(lines, name="web").map(ids, name="ids").append_eod(0).pad(4, eod_id=0).batch(2)
    (span, other) = (row[0] for row in data.explain(0).rows)
    assert (span.line, other.line, other.place) == (1, 3, f"{tmp_path}/a.jsonl:3")


def ids(text: str) -> list[int]:
    return [len(text)]
