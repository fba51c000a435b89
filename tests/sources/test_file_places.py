"""A null is named with its file and line, whatever kind of file it stands in."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from etils import epath

import resumable_data as rd
from property_tests.testing.hugging_face_data import open_files, read, write_lines, write_parquet
from resumable_data.sources.arrow_cache import convert_column
from resumable_data.sources.column_files import ColumnFiles
from resumable_data.sources.file_places import FilePlaces
from resumable_data.sources.shards import find_shards


def test_records_are_counted_file_by_file() -> None:
    places = FilePlaces([epath.Path(name) for name in "abcd"], [2, 0, 3, 1], [False, False, None, False])
    assert [places.name(record) for record in range(6)] == [
        "a, line 1",
        "a, line 2",
        "c, record 0",
        "c, record 1",
        "c, record 2",
        "d, line 1",
    ]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "parquet", "json"])
def test_a_null_is_left_out_and_named_with_its_place(tmp_path: Path, suffix: str) -> None:
    shards = [["a", None], ["b", "c", None, "d"]]
    for number, texts in enumerate(shards):
        path = tmp_path / f"{number}.{suffix}"
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        if suffix == "parquet":
            write_parquet(path, texts)
        elif suffix == "json":
            path.write_text(json.dumps([{"text": text} for text in texts], indent=1))
        else:
            path.write_bytes(gzip.compress(lines.encode()) if suffix.endswith("gz") else lines.encode())
    source = open_files(f"{tmp_path}/*.{suffix}", tmp_path)
    iterator = iter(rd.Dataset.from_source(source).skip_bad_records(at_most=2))

    assert list(iterator) == ["a", "b", "c", "d"]
    assert [left_out.record for left_out in iterator.bad_records] == [1, 4]
    assert iterator.progress().dropped == 2
    places = ["record 1", "record 2"] if suffix in ("parquet", "json") else ["line 2", "line 3"]
    for number, (left_out, place) in enumerate(zip(iterator.bad_records, places, strict=True)):
        assert f"({tmp_path}/{number}.{suffix}, {place}) is null" in left_out.reason
    # It is the same from the cache, and in another process.
    for other in (open_files(f"{tmp_path}/*.{suffix}", tmp_path), pickle.loads(pickle.dumps(source))):
        with pytest.raises(rd.RecordError, match=rf"/1\.{suffix}, {places[1]}\) is null"):
            other.read(np.array([4]))


@pytest.mark.parametrize("end", ["\n", ""])
def test_blank_lines_count_as_lines(tmp_path: Path, end: str) -> None:
    (tmp_path / "a.jsonl").write_text('\n{"text": "a"}\n  \r\n{"text": null}' + end)
    with pytest.raises(rd.RecordError, match=r"record 1 \(.*a\.jsonl, line 4\) is null"):
        read(open_files(tmp_path / "a.jsonl", tmp_path))


@pytest.mark.parametrize("now", [None, '\n{"text": "a"}\n'])
def test_a_line_that_can_be_found_no_more_is_named_by_its_number(tmp_path: Path, now: str | None) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\n{"text": "a"}\n{"text": null}')
    source = open_files(path, tmp_path)
    path.unlink() if now is None else path.write_text(now)
    with pytest.raises(rd.RecordError, match=r"record 1 \(.*a\.jsonl, record 1\) is null"):
        read(source)


def test_a_null_among_tokens_is_named_with_its_place(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"tokens": [1]}, {"tokens": [1, None]}])
    source = open_files(tmp_path / "a.jsonl", tmp_path, "tokens")
    with pytest.raises(rd.RecordError, match=r"record 1 \(.*a\.jsonl, line 2\) is null, or holds a null"):
        source.lengths(np.array([0, 1]))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_file_that_is_read_in_pieces_is_counted_as_a_whole(tmp_path: Path, suffix: str) -> None:
    shards = [["a"] * 70_000, ["b", None]]  # Parquet is read 65,536 records at a time
    for number, texts in enumerate(shards):
        if suffix == "parquet":
            write_parquet(tmp_path / f"{number}.parquet", texts)
        else:
            write_lines(tmp_path / f"{number}.jsonl", [{"text": text} for text in texts[-50:]])
    paths = find_shards(f"{tmp_path}/*.{suffix}")
    files = ColumnFiles(paths, "text", "parquet" if suffix == "parquet" else "json", chunk_bytes=30)
    assert len(list(files.pieces(files.type()))) > 2
    dataset, places = convert_column(files, tmp_path / "cache")
    assert places.records == ([70_000, 2] if suffix == "parquet" else [50, 2])
    place = "1.parquet, record 1" if suffix == "parquet" else "1.jsonl, line 2"
    assert places.name(len(dataset) - 1).endswith(f"/{place}")
