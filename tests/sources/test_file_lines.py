from __future__ import annotations

from pathlib import Path

import pytest
from etils import epath

from resumable_data.sources.file_lines import first_type, json_lines, lines_of


def lines(path: Path, at_once: int, *, of_json: bool) -> list[bytes]:
    return [line for some, _ in lines_of(epath.Path(path), of_json, at_once) for line in some]


@pytest.mark.parametrize("at_once", [1, 2, 3, 2**20])
def test_text_has_all_ends_of_lines_wherever_a_block_ends(tmp_path: Path, at_once: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\rthree\n\r\r\nsix")
    assert lines(path, at_once, of_json=False) == [b"one\n", b"two\n", b"three\n", b"\n", b"\n", b"six"]
    assert lines(path, at_once, of_json=True) == [b"one\r\n", b"two\rthree\n", b"\r\r\n", b"six"]


def test_a_list_is_one_item_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1},\n {"a": 2}]')
    assert list(json_lines(epath.Path(path))) == [[b'{"a": 1}\n', b'{"a": 2}\n']]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (['"one"', "[1]"], "text"),
        (["[1]", '"one"'], "tokens"),
        (["null", "5", "{}", '["one"]', "[1.5]", "[true]", "[null]", '"one"'], "text"),
        (["5", "[]"], "tokens"),
        (["5", "null"], None),
    ],
)
def test_the_first_value_that_is_text_or_a_list_of_integers_decides(values: list[str], found: str | None) -> None:
    assert first_type([b"oops", b"[]", *(f'{{"it": {value}}}'.encode() for value in values)], "it") == found
