"""``examples/minimal.py`` as a user runs it: twice in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent / "examples" / "minimal.py"


def run(folder: Path) -> list[tuple[int, int]]:
    """The steps that it prints, and the epoch of each."""
    environment = {**os.environ, "XLA_FLAGS": ""}
    command = [sys.executable, str(EXAMPLE)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return [(int(step), int(epoch)) for step, epoch in re.findall(r"step (\d+), epoch (\d+)", done.stdout)]


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)

    assert [step for step, _ in first + second] == list(range(20, 201, 20))
    assert [epoch for _, epoch in first + second] == sorted(epoch for _, epoch in first + second)


def test_it_is_short() -> None:
    assert len([line for line in EXAMPLE.read_text().splitlines() if line.strip()]) <= 44


def test_the_readme_shows_it_as_it_is() -> None:
    readme = (EXAMPLE.parent.parent / "README.md").read_text()

    assert f"```py\n{EXAMPLE.read_text()}```" in readme
