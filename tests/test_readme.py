"""The trainer loop of the README, as it stands there: it trains, ends, and resumes after its last checkpoint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from property_tests.testing.array_record_shards import write_documents

README = Path(__file__).parents[1] / "README.md"


class EndedError(Exception):
    """Ends the loop, which runs for ever."""


def trained(code: str, steps: int) -> list[bytes]:
    """Targets of the batches that the loop trains on until it is ended."""
    seen: list[bytes] = []

    def train_step(state: dict[str, Any], batch: Any) -> dict[str, Any]:
        if len(seen) == steps:
            raise EndedError
        seen.append(np.asarray(batch.targets).tobytes())
        return state

    mesh = Mesh(jax.devices(), "data")
    with pytest.raises(EndedError):
        exec(code, {"mesh": mesh, "state": {"weights": np.zeros(2)}, "train_step": train_step})
    return seen


def test_the_loop_of_the_readme_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for shard in range(2):
        documents = [draw.integers(1, 100, length) for length in draw.integers(1, 900, 100)]
        write_documents(Path(f"corpus/train_{shard}.arecord"), documents)
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1]  # type: ignore[index]
    assert "/checkpoints/run" in code
    assert "% 1000" in code
    code = code.replace("/checkpoints/run", str(tmp_path / "run")).replace("% 1000", "% 4")

    first, second = trained(code, 7), trained(code, 5)

    assert second[:3] == first[4:]
    assert len(set(first + second)) == 9
