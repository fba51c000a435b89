"""The example trainer on real processes: losses go on to the bit on the same devices, and nearly so on others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from property_tests.processes import completed

PROGRAM = Path(__file__).with_name("programs") / "training.py"
STEPS, SAVED = 22, 16
TOLERANCE = 1e-5
"""How far losses may be apart, relative to their size, where devices add up in another order."""


@dataclass(frozen=True)
class Run:
    """What a run reported, and where it saved.

    Attributes:
        corpus: What it read.
        checkpoints: Where it saved, behind step 16 alone.
        steps: The reports of its steps.
    """

    corpus: Path
    checkpoints: Path
    steps: list[dict[str, str]]

    def resumed(self, count: int, devices: int) -> list[dict[str, str]]:
        """What another run reports that goes on from the checkpoint."""
        return trained(self.corpus, self.checkpoints, count, devices)


def trained(corpus: Path, checkpoints: Path, count: int, devices: int) -> list[dict[str, str]]:
    arguments = ["train", str(corpus), str(checkpoints), str(STEPS), str(SAVED)]
    first, *others = completed(PROGRAM, arguments, count=count, devices=devices)
    assert not any(process.reports for process in others)
    return first.reports


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("training")
    corpus, checkpoints = directory / "corpus", directory / "checkpoints"
    completed(PROGRAM, ["write", str(corpus)], count=1)
    run = Run(corpus, checkpoints, trained(corpus, checkpoints, count=2, devices=2))
    assert [report["step"] for report in run.steps] == list(range(STEPS))
    return run


def test_on_the_same_devices_losses_are_equal_to_the_bit(uninterrupted: Run) -> None:
    assert uninterrupted.resumed(count=2, devices=2) == uninterrupted.steps[SAVED:]


def test_on_other_devices_batches_are_equal_and_losses_nearly(uninterrupted: Run) -> None:
    expected, resumed = uninterrupted.steps[SAVED:], uninterrupted.resumed(count=1, devices=4)
    assert [(r["step"], r["batch"]) for r in resumed] == [(r["step"], r["batch"]) for r in expected]
    losses = [float.fromhex(report["loss"]) for report in resumed]
    assert losses == pytest.approx([float.fromhex(report["loss"]) for report in expected], rel=TOLERANCE)
