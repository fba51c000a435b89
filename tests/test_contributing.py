"""The recipes of ``CONTRIBUTING.md``, followed to the letter in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python  # the text of a page, and files of this project

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
MOST_FILES = {"Add a source": 2, "Add a packing strategy": 2, "Add a stage": 2}
"""The most files of the package that a recipe touches."""

COPIED = (
    "resumable_data",
    "tests",
    "property_tests",
    "docs",
    "conftest.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
GUARDS = {
    "tests/test_site.py": "reference",
    "tests/test_imports.py": "public_name",
    "tests/misuse/test_every_argument.py": "called",
    "tests/packing/test_window.py": "naive",
    "tests/order/test_golden.py": "belongs",
}
"""Tests that fail if something was forgotten, and what their names contain."""


def steps(title: str) -> list[tuple[str, str, str]]:
    """What a recipe says to do: the file, or what stands there instead, the kind of block, and the block."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", TEXT, flags=re.DOTALL | re.MULTILINE)
    found, where = [], ""
    for line_of_file, kind, block in re.findall(
        r"^(?:`([\w/.]+)`:|Try it:)?\n*```(python|diff)\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE
    ):
        where = line_of_file or ("" if kind == "python" else where)
        found.append((where, kind, block))
    return found


def follow(folder: Path, title: str) -> tuple[set[str], str]:
    """Follows a recipe. Returns the files that it touched, and the code that tries it."""
    touched, trial = set[str](), ""
    for file, kind, block in steps(title):
        if not file:
            trial = block
            continue
        touched.add(file)
        path = folder / file
        if kind == "python":
            assert not path.exists()
            path.write_text(block)
            continue
        lines = block.splitlines()
        before = "\n".join(line[1:] for line in lines if line[0] != "+")
        after = "\n".join(line[1:] for line in lines if line[0] != "-")
        text = path.read_text()
        assert text.count(before) == 1, f"{file} does not have, once:\n{before}"
        path.write_text(text.replace(before, after))
    return touched, trial


@pytest.mark.parametrize("title", MOST_FILES)
def test_a_recipe_works_as_it_is_written(title: str, tmp_path: Path) -> None:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    touched, trial = follow(tmp_path, title)
    code = [file for file in touched if file.endswith(".py")]

    def run(*command: str) -> None:
        environment = {"PYTHONPATH": str(tmp_path), "PATH": str(Path(sys.executable).parent), "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    run(sys.executable, "-c", trial)
    run("ruff", "check", *code)
    run("ruff", "format", "--check", *code)
    run("lint-imports", "--no-cache")
    pytest_command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    run(*pytest_command, "-k", " or ".join(GUARDS.values()), *GUARDS)
    run(*pytest_command, "--doctest-modules", *code)
    assert len([file for file in touched if file.startswith("resumable_data/")]) <= MOST_FILES[title]
