"""Files converted to Arrow once, again when they change, and errors of the cache called that."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import resource
from pathlib import Path

import pytest

import resumable_data as rd
from property_tests.testing.hugging_face_data import (
    open_files,
    read,
    write_lines,
    write_parquet,
)


@pytest.mark.parametrize("column", ["text", None])
@pytest.mark.parametrize(
    ("name", "body"), [("a.txt", "one\ntwo\n"), ("a.jsonl", '{"text": "one"}\n{"text": "two"}\n')]
)
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, column: str | None, name: str, body: str) -> None:
    for number in range(2):
        (tmp_path / f"{number}{name}").write_bytes(codecs.BOM_UTF8 + body.encode())
    source = open_files(f"{tmp_path}/?{name}", tmp_path, column)
    texts = ["one", "two"] * 2
    assert read(source) == (texts if column else [{"text": text} for text in texts])


def replaced(path: Path, body: bytes) -> None:
    """Puts a file of the same size and time in place of another."""
    before = path.stat()
    assert len(body) == before.st_size
    path.write_bytes(body)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("column", ["text", None])
@pytest.mark.parametrize("kind", ["parquet", "jsonl", "jsonl.gz", "txt"])
def test_a_file_replaced_with_the_same_size_and_time_gives_its_own_data(
    tmp_path: Path, column: str | None, kind: str
) -> None:
    def write(text: str) -> Path:
        path = tmp_path / f"a.{kind}"
        if kind == "parquet":
            return write_parquet(path, [text])
        body = f"{text}\n" if kind == "txt" else json.dumps({"text": text}) + "\n"
        path.write_bytes(gzip.compress(body.encode(), mtime=0) if kind.endswith("gz") else body.encode())
        return path

    def texts() -> list[str]:
        source = open_files(tmp_path / f"a.{kind}", tmp_path, column)
        return [record if column else record["text"] for record in read(source)]

    body = write("new").read_bytes()
    path = write("old")
    assert texts() == ["old"]
    replaced(path, body)
    assert texts() == ["new"]


@pytest.mark.parametrize("column", ["text", None])
def test_a_cache_that_cannot_be_written_is_not_called_a_bad_file(tmp_path: Path, column: str | None) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / "cache").touch()
    with pytest.raises(rd.SourceError, match=r"the cache .* cannot be written: .*(ENOTDIR|EEXIST).*cache_dir="):
        open_files(path, tmp_path, column)


def test_a_full_disk_is_not_called_a_bad_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [f"{number} text" for number in range(20_000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(rd.SourceError, match=r"the cache .* cannot be written: File too large \(EFBIG\)"):
            open_files(path, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "cache").rglob("*.arrow*"))
    assert len(open_files(path, tmp_path)) == 20_000
