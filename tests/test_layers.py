"""The layers of ``docs/architecture.md`` are the folders of the package, and the order in which they may import."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python  # the text of a page, and the settings of a check

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FOLDERS = {path.parent.name for path in (ROOT / "resumable_data").glob("*/__init__.py")}
MODULES = {path.stem for path in (ROOT / "resumable_data").glob("*.py")} - {"__init__"}


def contract() -> list[list[str]]:
    """The layers that ``make check`` enforces, topmost first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = [
        one["layers"] for one in settings["tool"]["importlinter"]["contracts"] if "interfaces" in one["layers"]
    ]
    return [re.split(r"\s*[:|]\s*", layer) for layer in layers]


def drawn() -> list[list[str]]:
    """The layers that the page draws, topmost first."""
    (text,) = re.findall(r"make check` enforces it:\n\n```\n(.*?)```", PAGE, flags=re.DOTALL)
    return [re.split(r"\s*,\s*", layer.strip()) for layer in text.split("→")]


def test_the_picture_shows_the_layers_that_are_enforced() -> None:
    place = {name: place for place, layer in enumerate(contract()) for name in layer}
    shown = [[place[name] for name in layer] for layer in drawn()]

    assert [min(layer) for layer in shown] == sorted(min(layer) for layer in shown)
    for above, below in pairwise(shown):
        assert max(above) < min(below)


def test_every_folder_is_in_the_picture_and_in_the_table() -> None:
    in_table = set(re.findall(r"^\| `(\w+)/` \|", PAGE, flags=re.MULTILINE))

    assert in_table == FOLDERS
    assert {name for layer in drawn() for name in layer} >= FOLDERS


def test_the_contract_names_all_modules() -> None:
    assert {name for layer in contract() for name in layer} == FOLDERS | MODULES


def test_the_files_that_the_page_names_are_there() -> None:
    named = {name for code in re.findall(r"`([^`\n]+)`", PAGE) for name in re.findall(r"[\w/]+/\w+\.\w+", code)}

    assert "order/mixture.py" in named
    assert [
        name for name in sorted(named) if not any((ROOT / top / name).exists() for top in ("resumable_data", ""))
    ] == []
