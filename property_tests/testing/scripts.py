"""Runs scripts in a Python process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_script(folder: Path, text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a script to its end, which is also that of all its children: they hold the other end of its output."""
    script = folder / "script.py"
    script.write_text(text)
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
