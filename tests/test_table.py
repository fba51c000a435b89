from typing import Any

import pytest

import resumable_data as rd
from resumable_data.table import as_lines, printable


def data() -> rd.Dataset[Any]:
    documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3]] * 8), name="<b>web")
    return documents.pad(3, eod_id=0).batch(2)


@pytest.mark.parametrize(
    "thing",
    [
        data(),
        iter(data()),
        next(iter(data())),
        data().explain(0),
        rd.diff(data(), data()),
        data().verify(iter(data()).get_state()),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_a_notebook_shows_what_prints_and_no_markup_of_a_name(thing: Any) -> None:
    shown = thing._repr_html_()
    assert shown.startswith("<pre>")
    assert "<b>" not in shown
    assert str(thing).splitlines()[0].split()[0] in shown.replace("&lt;", "<")


def test_columns_of_text_are_cut_at_their_beginning_until_the_line_fits() -> None:
    rows = [["a/very/long/path/to/a/file", 7], ["short", 123456]]
    lines = as_lines(["file", "n"], rows, 20, texts=["file"])
    assert lines == ["file               n", "…h/to/a/file       7", "short         123456"]
    assert max(map(len, as_lines(["file", "n"], rows, 5, texts=["file"]))) == 16  # 8 of text, 2 between, 6 of digits


def test_control_characters_are_escaped() -> None:
    assert printable("a\x1b[31m\r\n\u202eb") == "a\\x1b[31m\\r\\n\\u202eb"
    assert printable("größe 漢字") == "größe 漢字"
