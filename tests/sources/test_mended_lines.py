"""Bad lines beside what is sound: other columns, lists, ends of lines, and errors that name their file."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.sources.hugging_face import HuggingFaceSource


def opened(tmp_path: Path, column: str | None = "text") -> HuggingFaceSource:
    return HuggingFaceSource.from_files(f"{tmp_path}/*.*", column, cache_dir=tmp_path / "cache")


def sound_records(source: HuggingFaceSource) -> list[Any]:
    return list(rd.Dataset.from_source(source).skip_bad_records(at_most=1))


def test_other_columns_do_not_count_where_a_line_is_bad(tmp_path: Path) -> None:
    lines = [{"text": "a", "id": 1}, {"text": "b", "id": "x"}, {"text": "c", "id": [1, "x"]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "oops\n")
    assert sound_records(opened(tmp_path)) == ["a", "b", "c"]


def test_what_is_bad_for_whole_records_may_be_sound_for_a_column(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "id": [1]}\n{"text": "b", "id": [1, "x"]}\noops\n')
    assert sound_records(opened(tmp_path)) == ["a", "b"]
    whole = rd.Dataset.from_source(opened(tmp_path, None)).skip_bad_records(at_most=2)
    assert list(whole) == [{"text": "a", "id": [1]}]


@pytest.mark.parametrize("column", ["text", None])
def test_a_file_that_holds_one_list_is_sound_beside_a_bad_line(tmp_path: Path, column: str | None) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"text": "a"}, {"text": "b"}], indent=1))
    (tmp_path / "b.jsonl").write_text('{"text": "c"}\n{"text": \n')
    texts = ["a", "b", "c"]
    assert sound_records(opened(tmp_path, column)) == (texts if column else [{"text": text} for text in texts])


@pytest.mark.parametrize("column", ["text", None])
def test_all_ends_of_lines_count_where_a_text_is_bad(tmp_path: Path, column: str | None) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\rthree\n\xff\r\r\nsix")
    texts = ["one", "two", "three", "", "six"]
    source = opened(tmp_path, column)
    assert len(source) == 6
    assert sound_records(source) == (texts if column else [{"text": text} for text in texts])


def test_values_of_another_type_are_named_with_their_file_where_a_line_is_bad_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\noops\n')
    (tmp_path / "b.jsonl").write_text('{"text": 5}\n')
    with pytest.raises(rd.SourceError, match=r"lines_of_b\.jsonl cannot be read: .*from string to number"):
        opened(tmp_path)


@pytest.mark.parametrize("column", ["text", None])
def test_a_file_of_which_a_line_was_mended_is_converted_anew(tmp_path: Path, column: str | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"text": oo}\n')
    before = path.stat()
    assert len(sound_records(opened(tmp_path, column))) == 1
    path.write_text('{"text": "a"}\n{"text": ""}\n')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(list(rd.Dataset.from_source(opened(tmp_path, column)))) == 2


def test_a_missing_column_is_named_where_a_line_is_bad(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\noops\n')
    with pytest.raises(rd.SourceError, match=r"a\.jsonl has no column 'title'.*its columns are text"):
        opened(tmp_path, "title")


@pytest.mark.parametrize("column", ["text", None])
def test_files_that_are_all_empty_are_named(tmp_path: Path, column: str | None) -> None:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "b.jsonl").touch()
    with pytest.raises(rd.SourceError, match=r"a\.jsonl, .*b\.jsonl: empty \(0 bytes, no records\)"):
        opened(tmp_path, column)


def test_a_full_disk_is_named_while_lines_are_copied_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "sound"}\n' * 499 + "oops\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(rd.SourceError, match=r"a\.jsonl .*File too large \(EFBIG\)"):
            opened(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    assert len(opened(tmp_path)) == 500
