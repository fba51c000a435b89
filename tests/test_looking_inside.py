"""The story of docs/looking_inside.md: what the example prints is what stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "looking_inside.md").read_text()


def test_the_story_is_what_the_example_prints(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "loss_spike.py"), "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0]
    assert [line for line in done.stdout.splitlines() if line.strip()] == told.splitlines()
    assert (tmp_path / "step.html").exists()


def test_all_pictures_are_there() -> None:
    pictures = re.findall(r"pictures/\w+\.png", PAGE)
    assert len(pictures) == 3
    assert all((ROOT / "docs" / name).stat().st_size < 250_000 for name in pictures)
