"""The first hour of the README, as it stands there: a corpus, a trainer that resumes, and an evaluation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"


class EndedError(Exception):
    """Ends the loop, which runs for ever."""


def blocks(folder: Path) -> list[str]:
    """The blocks of Python before the tour of everything else, made to save in a folder, and more often."""
    first_hour = README.read_text().partition("## What else it does")[0]
    found = re.findall(r"```python\n(.*?)```", first_hour, re.DOTALL)
    assert "/checkpoints/run" in found[1]
    assert "% 1000" in found[1]
    return [code.replace("/checkpoints/run", str(folder)).replace("% 1000", "% 4") for code in found]


def trained(code: str, steps: int) -> tuple[list[bytes], dict[str, Any]]:
    """Targets of the batches that the loop trains on until it is ended, and what it has defined."""
    seen: list[bytes] = []

    def train_step(state: dict[str, Any], batch: Any) -> dict[str, Any]:
        if len(seen) == steps:
            raise EndedError
        seen.append(np.asarray(batch.targets).tobytes())
        return state

    defined: dict[str, Any] = {"state": {"weights": np.zeros(2)}, "train_step": train_step}
    with pytest.raises(EndedError):
        exec(code, defined)
    return seen, defined


def test_the_first_hour_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corpus").mkdir()
    draw = np.random.default_rng(0)
    documents = [draw.integers(2, 100, length) for length in draw.integers(1, 900, 250)]
    write, train, evaluate = blocks(tmp_path / "run")

    exec(write, {"documents": documents, "np": np})
    first, _ = trained(train, 7)
    second, defined = trained(train, 5)
    assert second[:3] == first[4:]
    assert len(set(first + second)) == 9

    scored: list[int] = []
    defined["evaluate"] = lambda state, batch: scored.append(int((batch.targets_segmentation > 0).sum()))
    exec(evaluate, defined)
    held_out = [len(document) + 1 for document in defined["held_out"]]
    assert len(held_out) in (2, 3)
    assert scored == [sum(held_out)]
