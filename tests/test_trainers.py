"""The recipes of docs/trainers.md as they stand there: killed with SIGKILL, started again, compared by batch."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.array_record_shards import write_documents

ROOT = Path(__file__).parents[1]
LAST, KILLED_AT, SAVED = 11, 8, 6
PAGE = (ROOT / "docs" / "trainers.md").read_text()
RECIPES = dict(re.findall(r"\n## (.+?)\n.*?```python\n(.*?)```", PAGE, re.DOTALL))

BEFORE = """
import os
import signal
import sys

import jax
import numpy as np

import resumable_data as rd
from tests.test_trainers import rows_of_all, seen_of

folder, log, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
last_step = 11
rows = rows_of_all()
data = rows.batch(8)
state = {"count": jax.numpy.zeros((), "int32")}


def train_step(state, batch):
    with open(log, "a") as lines:
        lines.write(seen_of(batch) + "\\n")
    if len(open(log).readlines()) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"count": state["count"] + 1}


"""


def documents_of_all() -> rd.Dataset[Any]:
    """The documents of all recipes, one after the other."""
    return rd.Dataset.from_source(rd.SyntheticSource(50, lengths=[3, 5, 9], vocabulary=100))


def rows_of_all() -> rd.Dataset[Any]:
    """The rows of all recipes."""
    return documents_of_all().shuffle(7).repeat().append_eod(1).pack(16, window=32)


def write_corpus(folder: Path) -> None:
    """The documents as the files that a recipe reads which builds its pipeline from a config."""
    write_documents(folder / "corpus" / "train" / "train_0.arecord", [list(one) for one in documents_of_all()])


def seen_of(batch: Any) -> str:
    """What tells one batch from another."""
    return sha256(np.ascontiguousarray(np.asarray(batch["targets"])).tobytes()).hexdigest()


def run(code: str, folder: Path, log: Path, kill_at: int) -> int:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", BEFORE + code, str(folder), str(log), str(kill_at)]
    ran = subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode


def test_every_trainer_has_its_recipe() -> None:
    assert len(RECIPES) == PAGE.count("```python") == 7


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_goes_on_after_a_kill(tmp_path: Path, name: str) -> None:
    folder, log = tmp_path / "run", tmp_path / "log"
    folder.mkdir()
    write_corpus(tmp_path)
    expected = [seen_of(batch) for batch, _ in zip(rows_of_all().batch(8), range(LAST))]  # noqa: B905

    assert run(RECIPES[name], folder, log, KILLED_AT) == -signal.SIGKILL
    before = log.read_text().split()
    assert before == expected[:KILLED_AT]
    log.unlink()

    assert run(RECIPES[name], folder, log, 0) == 0
    after = log.read_text().split()
    # From the last checkpoint on, or from the one before, where the kill came while the last was written.
    assert after in (expected[SAVED:], expected[SAVED - 3 :])
