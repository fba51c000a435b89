"""A column of files: nothing of other columns counts, and what is amiss is named with its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from etils import epath

import resumable_data as rd
from property_tests.testing.hugging_face_data import (
    open_files,
    read,
    write_lines,
    write_parquet,
)
from resumable_data.sources.column_files import ColumnFiles


@pytest.mark.parametrize(
    "shards",
    [
        ([{"text": "a", "licence": None}], [{"text": "b", "licence": "MIT"}]),
        ([{"text": "a"}], [{"text": "b", "licence": "MIT"}]),
        ([{"text": "a", "licence": "MIT"}], [{"text": "b"}]),
        ([{"text": "a", "id": 1}], [{"text": "b", "id": "x1"}]),
        ([{"text": "a", "when": "2020-01-01"}], [{"text": "b", "when": "unknown"}]),
        ([{"text": "a", "id": 1}, {"text": "b", "id": {"x": [1]}}],),
    ],
)
def test_other_columns_of_json_lines_do_not_count(tmp_path: Path, shards: tuple[list[Any], ...]) -> None:
    for number, lines in enumerate(shards):
        write_lines(tmp_path / f"{number}.jsonl", lines)
    assert read(open_files(f"{tmp_path}/*.jsonl", tmp_path)) == ["a", "b"]


def test_other_columns_of_parquet_do_not_count(tmp_path: Path) -> None:
    for number, other in enumerate(([1], ["x"], None)):
        columns = {"text": [str(number)]} if other is None else {"other": other, "text": [str(number)]}
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / f"{number}.parquet")
    assert read(open_files(f"{tmp_path}/*.parquet", tmp_path)) == ["0", "1", "2"]


def test_texts_that_look_like_dates_stay_texts(tmp_path: Path) -> None:
    texts = ["2020-01-01", "2020-01-01 00:00:00", "unknown"]
    write_lines(tmp_path / "a.jsonl", [{"text": text} for text in texts])
    assert read(open_files(tmp_path / "a.jsonl", tmp_path)) == texts


@pytest.mark.parametrize("counts", [(1, 0, 1), (0, 1), (0, 0, 2)])
def test_a_parquet_shard_may_have_no_rows(tmp_path: Path, counts: tuple[int, ...]) -> None:
    for number, count in enumerate(counts):
        write_parquet(tmp_path / f"{number}.parquet", ["t"] * count)
    assert read(open_files(f"{tmp_path}/*.parquet", tmp_path)) == ["t", "t"][: sum(counts)]


@pytest.mark.parametrize(
    ("types", "values"),
    [
        ((pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()), "text"),
        ((pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), pyarrow.string()), "text"),
        ((pyarrow.null(), pyarrow.string()), None),
        (
            (pyarrow.list_(pyarrow.int32()), pyarrow.large_list(pyarrow.int64()), pyarrow.list_(pyarrow.uint16())),
            [1, 2],
        ),
    ],
)
def test_shards_may_keep_a_column_in_different_types(tmp_path: Path, types: tuple[Any, ...], values: Any) -> None:
    for number, arrow_type in enumerate(types):
        table = pyarrow.table(
            {"it": pyarrow.array([values], pyarrow.string()).cast(arrow_type)}
            if values == "text"
            else {"it": pyarrow.array([values], arrow_type)}
        )
        pyarrow.parquet.write_table(table, tmp_path / f"{number}.parquet")
    source = open_files(f"{tmp_path}/*.parquet", tmp_path, "it")
    if values is None:
        with pytest.raises(rd.RecordError, match=r"record 0 \(.*/0\.parquet, record 0\) is null"):
            read(source)
    else:
        assert read(source) == [values] * len(types)


def test_a_json_file_may_hold_one_list_and_nulls_and_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "0.json").write_text(json.dumps([{"id": 1, "text": "a"}, {"text": "b"}], indent=1))
    (tmp_path / "1.json").write_text('{"text": null}\n\n{"text": "c"}\n')
    source = open_files(f"{tmp_path}/*.json", tmp_path)
    assert read(source, [0, 1, 3]) == ["a", "b", "c"]
    with pytest.raises(rd.RecordError, match=r"record 2 \(.*/1\.json, line 1\) is null"):
        read(source)


def test_json_lines_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    documents = [list(range(length)) for length in (0, 1, 200, 3, 0, 50)]
    path = write_lines(tmp_path / "a.jsonl", [{"tokens": document} for document in documents])
    files = ColumnFiles([epath.Path(path)], "tokens", "json", chunk_bytes=64)
    pieces = [piece.values.to_pylist() for _, piece in files.pieces(files.type())]
    assert len(pieces) > 1
    assert [document for piece in pieces for document in piece] == documents


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"text": "a"}\n{"text": \n', r"m_2\.jsonl cannot be read: ArrowInvalid.*\(column 'text'\)"),
        ('{"text": 5}\n', r"m_2\.jsonl cannot be read: .*from string to number.*\(column 'text'\)"),
    ],
)
def test_the_bad_file_among_many_is_named(tmp_path: Path, lines: str, message: str) -> None:
    paths = [write_lines(tmp_path / f"m_{number}.jsonl", [{"text": "a"}]) for number in range(4)]
    paths[2].write_text(lines)
    files = ColumnFiles(list(map(epath.Path, paths)), "text", "json")
    with pytest.raises(rd.SourceError, match=message):
        list(files.pieces(files.type()))


def test_what_cannot_be_converted_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": 4}, {"text": 5}])
    with pytest.raises(rd.SourceError, match=r"a\.jsonl cannot be read: .*from string to number.*\(column 'text'\)"):
        open_files(tmp_path / "a.jsonl", tmp_path)
    assert not list((tmp_path / "cache").rglob("*.arrow*"))


def test_a_column_of_nulls_is_named(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": None}, {}])
    with pytest.raises(rd.SourceError, match=r"a\.jsonl: column 'text' is null in every record"):
        open_files(tmp_path / "a.jsonl", tmp_path)


@pytest.mark.parametrize(
    ("first", "values"),
    [
        ([None, 5, "one"], "text"),
        ([None, 1.5, [1, 2]], "tokens"),
        ([["one"], {"x": 1}, []], "tokens"),
    ],
)
def test_the_first_text_or_list_of_integers_decides(tmp_path: Path, first: list[Any], values: str) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"it": value} for value in first])
    found = ColumnFiles([epath.Path(path)], "it", "json").type()
    assert found == (pyarrow.string() if values == "text" else pyarrow.list_(pyarrow.int64()))


@pytest.mark.parametrize("column", ["absent", "title"])
@pytest.mark.parametrize("kind", ["parquet", "jsonl", "txt"])
def test_a_column_that_is_not_there_is_named_with_its_file(tmp_path: Path, column: str, kind: str) -> None:
    write_parquet(tmp_path / "a.parquet", ["a"])
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(rd.SourceError, match=rf"a\.{kind} has no column '{column}'.*text"):
        open_files(tmp_path / f"a.{kind}", tmp_path, column)
