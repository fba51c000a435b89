"""The example trainer on real processes: losses go on to the bit on the same devices, and nearly on others."""

from __future__ import annotations

from pathlib import Path

import pytest

from property_tests.testing.processes import completed

PROGRAM = Path(__file__).with_name("testing") / "programs" / "training.py"
STEPS, SAVED = 22, 16
TOLERANCE = 1e-5
"""The most that losses may differ, relative to their size, if devices add up in another order."""


Steps = list[dict[str, str]]


def trained(corpus: Path, checkpoints: Path, count: int, devices: int) -> Steps:
    arguments = ["train", str(corpus), str(checkpoints), str(STEPS), str(SAVED)]
    first, *others = completed(PROGRAM, arguments, count=count, devices=devices)
    assert not any(process.reports for process in others)
    return first.reports


def test_losses_go_on(tmp_path: Path) -> None:
    corpus, checkpoints = tmp_path / "corpus", tmp_path / "checkpoints"
    completed(PROGRAM, ["write", str(corpus)], count=1)
    uninterrupted = trained(corpus, checkpoints, count=2, devices=2)
    assert [report["step"] for report in uninterrupted] == list(range(STEPS))
    expected = uninterrupted[SAVED:]

    on_the_same_devices = trained(corpus, checkpoints, count=2, devices=2)
    assert on_the_same_devices == expected

    on_other_devices = trained(corpus, checkpoints, count=1, devices=4)
    assert [batch_of(report) for report in on_other_devices] == [batch_of(report) for report in expected]
    assert list(map(loss_of, on_other_devices)) == pytest.approx(list(map(loss_of, expected)), rel=TOLERANCE)


def batch_of(report: dict[str, str]) -> tuple[str, str]:
    return report["step"], report["batch"]


def loss_of(report: dict[str, str]) -> float:
    return float.fromhex(report["loss"])
