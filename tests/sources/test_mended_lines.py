"""Bad lines beside what is sound: other columns, lists, ends of lines, and errors that name their file."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.hugging_face_data import (
    open_files,
    read,
    write_lines,
)
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
    with pytest.raises(
        rd.SourceError, match=r"a\.jsonl has no column 'title'.*the columns of its first record are text"
    ):
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


def lines_of(*bad: tuple[int, str], count: int = 500) -> str:
    lines = [json.dumps({"text": f"line {number}", "other": number}) for number in range(count)]
    for number, line in bad:
        lines[number] = line
    return "".join(f"{line}\n" for line in lines)


BAD_FILES: dict[str, tuple[dict[str, bytes], list[int], list[str]]] = {
    "a line that is cut": (
        {"a.jsonl": lines_of((31, '{"text": "li')).encode()},
        [31],
        ["a.jsonl, line 32: Unterminated string"],
    ),
    "lines of other kinds": (
        {"a.jsonl": lines_of((0, "5"), (7, "[1]"), (9, "null"), (499, "{}{}")).encode()},
        [0, 7, 9, 499],
        [
            "line 1: it is not a JSON object",
            "line 8: it is",
            "line 10: it is",
            "line 500: Extra data, at character 3",
        ],
    ),
    "half a character": (
        {"a.jsonl": lines_of((3, '{"text": "\\ud800"}'), (8, "{")).encode()},
        [3, 8],
        ["line 4: it is JSON that Arrow cannot read", "line 9: Expecting property name"],
    ),
    "empty lines count as lines": (
        {"a.jsonl": b"\n\n" + lines_of((2, "oops")).encode()},
        [2],
        ["a.jsonl, line 5: Expecting value"],
    ),
    "the second of two files": (
        {"a.jsonl": lines_of(count=40).encode(), "b.jsonl": lines_of((1, "oops"), count=40).encode()},
        [41],
        ["b.jsonl, line 2: Expecting value"],
    ),
    "an empty file": (
        {"a.jsonl": lines_of(count=3).encode(), "b.jsonl": b"", "c.jsonl": lines_of(count=4).encode()},
        [3],
        ["b.jsonl is empty (0 bytes), after line 0"],
    ),
    "text that is not UTF-8": (
        {"a.txt": b"one\ntwo \xff\n\nthree"},
        [1],
        ["a.txt, line 2: 'utf-8' codec can't decode byte 0xff"],
    ),
}


@pytest.mark.parametrize("column", ["text", None])
@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_line_is_a_bad_record_in_its_place(
    kind: str, column: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files, bad, reasons = BAD_FILES[kind]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    open_ = lambda: HuggingFaceSource.from_files(  # noqa: E731
        [tmp_path / name for name in files], column, cache_dir=tmp_path / "cache"
    )
    source = open_()
    assert f"{len(bad)} of {len(source)} records are bad, the first is" in caplog.messages[-1]

    iterator = iter(rd.Dataset.from_source(source).skip_bad_records(at_most=len(bad)))
    texts = list(iterator)
    assert iterator.progress().dropped == len(bad)
    assert len(texts) == len(source) - len(bad)
    assert [left_out.record for left_out in iterator.bad_records] == bad
    for left_out, reason in zip(iterator.bad_records, reasons, strict=True):
        assert reason in left_out.reason
    places = [record for record in range(len(source)) if record not in bad]
    assert source.read(np.array(places)) == texts
    # It is the same when it is opened again, from the copies, and when it is sent to another process.
    for other in (open_(), pickle.loads(pickle.dumps(source))):
        assert other.fingerprint() == source.fingerprint()
        with pytest.raises(rd.RecordError, match=f"record {bad[0]} is bad: "):
            other.read(np.array([bad[0]]))


# The column's lines, which of its values are bad, and what is said of each.
BAD_VALUES: dict[str, tuple[list[str], list[int], list[str]]] = {
    "text": (
        [
            '{"it": "a"}',
            '{"it": 5}',
            "",
            '{"it": true}',
            '{"it": null}',
            '{"other": 1}',
            "oops",
            '{"it": ["b"]}',
            '{"it": "c", "other": [1, "x"]}',
            '{"it": "d", "it": 5}',
        ],
        [1, 2, 3, 4, 5, 6, 8],
        [
            "a.jsonl, line 2: 'it' is 5, not text",
            "a.jsonl, line 4: 'it' is True, not text",
            "a.jsonl, line 5: 'it' is null, not text",
            "a.jsonl, line 6: it has no 'it'",
            "a.jsonl, line 7: Expecting value, at character 1",
            "a.jsonl, line 8: 'it' is ['b'], not text",
            "a.jsonl, line 10: 'it' is 5, not text",
        ],
    ),
    "tokens": (
        ['{"it": "a"}', '{"it": [1.5]}', '{"it": [1, null]}', '{"it": [true]}', '{"it": [36893488147419103232]}'],
        [0, 1, 2, 3, 4],
        [
            "line 3: 'it' is 'a', not a list of integers",
            "line 4: 'it' holds 1.5, and is not a list of integers",
            "line 5: 'it' holds null, and is not a list of integers",
            "line 6: 'it' holds True, and is not a list of integers",
            "line 7: it is JSON that Arrow cannot read",
        ],
    ),
}


@pytest.mark.parametrize("kind", BAD_VALUES)
def test_a_value_of_another_type_is_a_bad_record_in_its_place(tmp_path: Path, kind: str) -> None:
    lines, bad, reasons = BAD_VALUES[kind]
    if kind == "tokens":
        lines = ['{"it": [1, 2]}', '{"it": []}', *lines]
        bad = [place + 2 for place in bad]
    (tmp_path / "a.jsonl").write_text("".join(f"{line}\n" for line in lines))
    source = opened(tmp_path, "it")
    iterator = iter(rd.Dataset.from_source(source).skip_bad_records(at_most=len(bad)))

    sound = [np.asarray(document).tolist() for document in iterator]

    assert sound == (["a", "c"] if kind == "text" else [[1, 2], []])
    assert len(source) == len(sound) + len(bad)
    assert iterator.progress().dropped == len(bad)
    assert [left_out.record for left_out in iterator.bad_records] == bad
    for left_out, reason in zip(iterator.bad_records, reasons, strict=True):
        assert reason in left_out.reason


def test_a_value_of_another_type_is_an_error_that_names_file_and_line_without_the_policy(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "one"}])
    write_lines(tmp_path / "b.jsonl", [{"text": "two"}, {"text": 5}])
    documents = iter(rd.Dataset.from_source(opened(tmp_path)))

    assert [next(documents), next(documents)] == ["one", "two"]
    with pytest.raises(rd.RecordError, match=r"record 2 is bad: .*/b\.jsonl, line 2: 'text' is 5, not text"):
        next(documents)


def test_the_items_of_a_list_have_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"text": "one"}, {"text": 5}], indent=1))
    with pytest.raises(rd.RecordError, match=r"a\.json, record 1: 'text' is 5"):
        read(opened(tmp_path))


def test_a_token_that_int32_cannot_hold_is_named_with_its_line_where_another_is_bad(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('\noops\n\n{"text": [1]}\n{"text": [4294967296]}\n')
    with pytest.raises(rd.RecordError, match=r"record 2 \(.*/a\.jsonl, line 5\) holds the token 4294967296"):
        opened(tmp_path).read(np.array([1, 2]))


def test_whole_records_of_bad_lines_are_bad(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"tokens": [1, 2], "loss_mask": [0, 1]}\noops\n{"tokens": [3], "loss_mask": [1]}\n'
    )
    source = open_files(tmp_path / "a.jsonl", tmp_path, None)
    rows = rd.Dataset.from_source(source).skip_bad_records(at_most=1).pad(2, eod_id=0, fields=["loss_mask"])

    assert [row.targets.tolist() for row in rows] == [[1, 2], [3, 0]]


def test_tokens_of_bad_lines_are_bad(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"tokens": [1, 2]}\noops\n{"tokens": [3]}\n')
    source = open_files(tmp_path / "a.jsonl", tmp_path, "tokens")

    assert [row.targets.tolist() for row in rd.Dataset.from_source(source).skip_bad_records(1).pad(2, eod_id=0)] == [
        [1, 2],
        [3, 0],
    ]
    with pytest.raises(rd.RecordError, match=r"a\.jsonl, line 2"):
        list(rd.Dataset.from_source(source).pad(2, eod_id=0))


def test_what_stands_before_the_cut_of_a_file_is_read_and_the_rest_is_one_bad_record(tmp_path: Path) -> None:
    whole = lines_of(count=4000)
    packed = gzip.compress(whole.encode())
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) * 2 // 3])
    (tmp_path / "b.jsonl").write_text(lines_of(count=2))

    def source() -> HuggingFaceSource:
        files = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"]
        return open_files(files, tmp_path)

    iterator = iter(rd.Dataset.from_source(source()).skip_bad_records(at_most=1))
    texts = list(iterator)
    before = len(texts) - 2
    assert 1000 < before < 4000
    assert texts == [f"line {number}" for number in [*range(before), 0, 1]]
    assert [left_out.record for left_out in iterator.bad_records] == [before]
    assert iterator.bad_records[0].reason.endswith(f"what follows is lost, after line {before}")

    strict = iter(rd.Dataset.from_source(source()))
    assert [next(strict) for _ in range(before)] == texts[:before]
    with pytest.raises(rd.RecordError, match=rf"a\.jsonl\.gz is cut short or damaged .*after line {before}$"):
        next(strict)


def test_sound_files_are_not_copied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.jsonl").write_text(lines_of())
    open_files(tmp_path / "a.jsonl", tmp_path)

    assert not list((tmp_path / "cache").rglob("lines_of_*"))
    assert caplog.messages == []
