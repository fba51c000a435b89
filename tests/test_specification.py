"""``property_tests/README.md`` names tests that exist, and every file of property tests is about a promise."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python  # the text of a page, and the names of tests

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "property_tests" / "README.md").read_text()


def test_the_named_tests_exist() -> None:
    named = re.findall(r"`(test_\w+\.py)(?:::(\w+))?`", PAGE)

    assert len(named) > 20
    for file, test in named:
        assert f"def {test}" in (ROOT / "property_tests" / file).read_text(), f"{file}::{test}"


def test_all_six_promises_are_there() -> None:
    assert re.findall(r"^\| (\d)\. \*\*", PAGE, flags=re.MULTILINE) == list("123456")
