"""The check of words finds what it is there for, and lets plain words pass."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python  # the words of this project's files

TOOL = Path(__file__).parent.parent / "tools" / "check_words.py"
SPEC = importlib.util.spec_from_file_location("check_words", TOOL)
assert SPEC is not None
assert SPEC.loader is not None
check_words = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_words)


@pytest.mark.parametrize(
    "text", ["this is " + "no source", "Be" + "hind pack", "in front" + " of it", "the token" + "iser"]
)
def test_what_is_hard_to_read_is_found(text: str) -> None:
    ((line, _, instead),) = check_words.places("fine\n" + text)

    assert line == 2
    assert instead


def test_plain_words_pass() -> None:
    assert check_words.places("There is no source. It is no longer there, after the tokenizer.") == []


CODE = """
def rows():
    {docstring}

@property
def size():
    'The number of rows.'
"""


@pytest.mark.parametrize("docstring", ["'The rows.'", "'Rows of a batch.'", "'Whether there is one.'"])
def test_a_docstring_without_a_verb_is_found(docstring: str) -> None:
    assert check_words.docstrings_without_verb(CODE.format(docstring=docstring)) == [(2, docstring.strip("'"))]


@pytest.mark.parametrize("docstring", ["'Returns the rows.'", "pass"])
def test_a_verb_passes(docstring: str) -> None:
    assert check_words.docstrings_without_verb(CODE.format(docstring=docstring)) == []
