"""Compares an interrupted training run with an uninterrupted one, to the bit, and shows the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table


@dataclass(frozen=True)
class StepRecord:
    """The trainer's report of one step.

    Attributes:
        step: Number of the step, from 0.
        batch: Digest of all the batch's bytes.
        loss: The loss before the step, as `float.hex` writes it.
    """

    step: int
    batch: str
    loss: str


@dataclass(frozen=True)
class Attempt:
    """One life of a trainer process.

    Attributes:
        records: The steps it reported, in order.
        killed: Whether it was killed; otherwise it trained to the end.
    """

    records: Sequence[StepRecord]
    killed: bool


@dataclass(frozen=True)
class Comparison:
    """The comparison of two runs, step by step. A step that was run again counts again.

    Attributes:
        complete: Whether each run has every step from the first to the last.
        compared: Number of compared steps of the interrupted run.
        equal_batches: Number of these with the same batch, to the byte.
        equal_losses: Number of these with the same loss, to the bit.
        distinct_batches: Number of different batches of the uninterrupted run. If all are different, two batches can
            only be equal because they are of the same step.
    """

    complete: bool
    compared: int
    equal_batches: int
    equal_losses: int
    distinct_batches: int

    @property
    def equal(self) -> bool:
        """Says whether the interruptions have left no trace."""
        return self.complete and self.compared == self.equal_batches == self.equal_losses


def compare(steps: int, uninterrupted: Attempt, attempts: Sequence[Attempt]) -> Comparison:
    """Compares each step of each attempt with the same step of the uninterrupted run.

    Args:
        steps: Number of steps that each run should have.
        uninterrupted: The run to compare with.
        attempts: The lives of the interrupted run, in order.

    Returns:
        The counts.
    """
    expected = {record.step: record for record in uninterrupted.records}
    records = [record for attempt in attempts for record in attempt.records]
    pairs = [(record, expected[record.step]) for record in records if record.step in expected]
    every_step = set(range(steps))
    return Comparison(
        complete=expected.keys() == every_step and {record.step for record in records} == every_step,
        compared=len(pairs),
        equal_batches=sum(record.batch == other.batch for record, other in pairs),
        equal_losses=sum(record.loss == other.loss for record, other in pairs),
        distinct_batches=len({record.batch for record in expected.values()}),
    )


def losses(attempt: Attempt) -> tuple[list[int], list[float]]:
    """Returns the steps of an attempt and their losses."""
    steps = [record.step for record in attempt.records]
    return steps, [float.fromhex(record.loss) for record in attempt.records]


def listed(values: Sequence[int]) -> str:
    """Joins numbers with commas."""
    return ", ".join(map(str, values)) or "none"


def killed_after(attempts: Sequence[Attempt]) -> list[int]:
    """Returns the last step that each killed attempt reported."""
    return [attempt.records[-1].step for attempt in attempts if attempt.killed]


def resumed_at(attempts: Sequence[Attempt]) -> list[int]:
    """Returns the first step of each attempt but the first."""
    return [attempt.records[0].step for attempt in attempts[1:]]


def result_table(uninterrupted: Attempt, attempts: Sequence[Attempt], comparison: Comparison) -> Table:
    """Makes the table at the end of the demo."""
    _, values = losses(uninterrupted)
    compared = comparison.compared
    table = Table(title="Interrupted against uninterrupted training", show_header=False)
    table.add_row("steps", f"{len(uninterrupted.records)}")
    table.add_row("loss, first and last step", f"{values[0]:.3f}, {values[-1]:.3f}")
    table.add_row("killed (SIGKILL) after step", listed(killed_after(attempts)))
    table.add_row("resumed at step", listed(resumed_at(attempts)))
    table.add_row("steps run again", f"{compared - len(uninterrupted.records)}")
    table.add_row("different batches in a run", f"{comparison.distinct_batches}")
    table.add_row("batches compared / equal to the byte", f"{compared} / {comparison.equal_batches}")
    table.add_row("losses compared / equal to the bit", f"{compared} / {comparison.equal_losses}")
    verdict = "[bold green]yes[/]" if comparison.equal else "[bold red]NO[/]"
    table.add_row("[bold]equal?[/]", verdict)
    return table


def plot_losses(path: Path, uninterrupted: Attempt, attempts: Sequence[Attempt]) -> None:
    """Draws the loss curves of both runs over each other, with the kills and the resumes."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(*losses(uninterrupted), color="0.8", linewidth=7, label="uninterrupted")
    for number, attempt in enumerate(attempts, start=1):
        width = 1.2 + len(attempts) - number  # a step that was run again shows both lines
        axes.plot(*losses(attempt), linewidth=width, label=f"interrupted, process {number}")
    loss_at = dict(zip(*losses(uninterrupted), strict=True))
    kills, resumptions = killed_after(attempts), resumed_at(attempts)
    axes.scatter(kills, [loss_at[step] for step in kills], c="tab:red", marker="X", s=90, zorder=3, label="killed")
    axes.scatter(
        resumptions,
        [loss_at[step] for step in resumptions],
        c="k",
        marker=">",
        s=60,
        zorder=3,
        label="resumed",
    )
    axes.set(
        xlabel="step",
        ylabel="loss (nats a token)",
        title="A run that was killed and resumed, over one that was not",
    )
    axes.legend()
    figure.savefig(path, dpi=120)
