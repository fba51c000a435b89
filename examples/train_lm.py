"""Demo: training that is killed twice equals, to the last bit, training without a kill.

Writes a real corpus to ArrayRecord shards, and trains a small language model on it without interruption. Trains it
again with a trainer that is killed at random steps and started again. Compares every batch and every loss of the two
runs. Shows a table and a plot of the loss curves. Exit code 0 only if all are equal.

    python examples/train_lm.py
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import demo_options
from corpus import write_corpus
from report import Attempt, StepRecord, compare, plot_losses, result_table
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

TRAINER = Path(__file__).with_name("trainer.py")
SHARDS = 11
CORPUS_BYTES = 1_500_000  # an epoch of about 215 steps, so that the run passes the end of one


@dataclass(frozen=True)
class Run:
    """One training run: its folders and its length.

    Attributes:
        corpus: Folder of the shards.
        folder: Folder of its checkpoints and its logs.
        steps: Number of steps.
        save_every: Number of steps from one checkpoint to the next.
    """

    corpus: Path
    folder: Path
    steps: int
    save_every: int

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    def command(self) -> list[str]:
        """Returns the command line of the trainer, the same for each start."""
        return [
            *(sys.executable, str(TRAINER)),
            *("--corpus", str(self.corpus), "--checkpoints", str(self.checkpoints)),
            *("--steps", str(self.steps), "--save-every", str(self.save_every)),
        ]


def run_trainer(run: Run, on_step: Callable[[int], None], kill_after: int | None = None) -> Attempt:
    """Starts the trainer and follows its report until it ends, or until it is killed.

    Args:
        run: The run; it goes on from its latest checkpoint.
        on_step: Called with the number of each reported step.
        kill_after: The trainer is killed after it reports this step; None lets it end.

    Returns:
        The reported steps, also those reported between the kill and the end.

    Raises:
        RuntimeError: The trainer ended in another way than planned.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    records: list[StepRecord] = []
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    errors_path = run.folder / "stderr.txt"
    with (
        (run.folder / "steps.jsonl").open("a") as log,
        errors_path.open("a") as errors,
        subprocess.Popen(run.command(), stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        try:
            for line in process.stdout or ():
                record = StepRecord(**json.loads(line))
                if record.step == kill_after:
                    process.kill()
                records.append(record)
                log.write(line)
                on_step(record.step)
        except BaseException:
            process.kill()
            raise
    expected = 0 if kill_after is None else -SIGKILL
    if process.returncode != expected:
        errors_tail = errors_path.read_text()[-2000:]
        raise RuntimeError(f"the trainer ended with {process.returncode}, not {expected}:\n{errors_tail}")
    return Attempt(records, killed=kill_after is not None)


def choose_kills(seed: int, run: Run, count: int) -> list[int]:
    """Draws steps at which to kill the trainer, one in each of `count` equal stretches of the run.

    Args:
        seed: The same seed gives the same steps.
        run: The run. Its first steps, before any checkpoint, and its last step are not drawn.
        count: Number of kills.

    Returns:
        The steps, ascending.
    """
    generator = random.Random(seed)
    first, last = run.save_every, run.steps - run.save_every
    bounds = [first + (last - first) * part // count for part in range(count + 1)]
    return [generator.randrange(*stretch) for stretch in itertools.pairwise(bounds)]


def train_uninterrupted(run: Run, progress: Progress) -> Attempt:
    """Trains from the first step to the last in one process."""
    bar = progress.add_task("uninterrupted", total=run.steps)
    return run_trainer(run, lambda step: progress.update(bar, completed=step + 1))


def train_interrupted(run: Run, kills: Sequence[int], progress: Progress) -> list[Attempt]:
    """Trains to the last step with a process that is killed after each of the given steps."""
    bar = progress.add_task("interrupted", total=run.steps)
    attempts = []
    for kill_after in (*kills, None):
        attempt = run_trainer(run, lambda step: progress.update(bar, completed=step + 1), kill_after)
        attempts.append(attempt)
        if kill_after is not None:
            progress.console.print(f"Killed the trainer after step {attempt.records[-1].step}.")
    return attempts


def demonstrate(workdir: Path, options: argparse.Namespace, console: Console) -> bool:
    """Runs the whole demo in a folder.

    Args:
        workdir: An empty folder.
        options: The parsed command line.
        console: The console to write to.

    Returns:
        Whether the two runs are equal.
    """
    corpus = workdir / "corpus"
    run, other_run = (
        Run(corpus, workdir / name, options.steps, options.save_every) for name in ("uninterrupted", "interrupted")
    )
    kills = choose_kills(options.seed, other_run, options.kills)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not options.progress) as progress:
        bar = progress.add_task("corpus", total=SHARDS)
        summary = write_corpus(corpus, shards=SHARDS, max_bytes=options.corpus_bytes)
        progress.update(bar, completed=summary.shards)
        console.print(
            f"Corpus: {summary.documents:,} documents of the standard library, {summary.tokens:,} tokens, "
            f"in {summary.shards} shards."
        )
        uninterrupted = train_uninterrupted(run, progress)
        console.print(f"Seed {options.seed}: the trainer is to be killed after the steps {kills}.")
        attempts = train_interrupted(other_run, kills, progress)
    comparison = compare(options.steps, uninterrupted, attempts)
    plot = workdir / "loss.png"
    plot_losses(plot, uninterrupted, attempts)
    console.print(result_table(uninterrupted, attempts, comparison))
    console.print(f"Loss curves: {plot}", soft_wrap=True)
    if comparison.equal and options.workdir is None:
        for folder in (corpus, run.checkpoints, other_run.checkpoints):
            shutil.rmtree(folder)
    return comparison.equal


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line of the demo."""
    parser = argparse.ArgumentParser(
        description="Prove that training killed at random steps equals uninterrupted training, to the bit."
    )
    parser.add_argument("--steps", type=int, default=300, help="steps of either run (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=2, help="number of kills (default: %(default)s)")
    demo_options.add_options(parser, save_every=25, corpus_bytes=CORPUS_BYTES)
    options = demo_options.parse(parser)
    if options.kills < 1 or options.save_every < 1:
        parser.error("--kills and --save-every must be at least 1")
    if options.steps < 2 * options.save_every + options.kills:
        parser.error("--steps must leave room for the kills between the first and the last checkpoint")
    return options


def main() -> int:
    """Runs the demo. Returns its exit code, 0 only if everything is equal."""
    options = parse_options()
    return 0 if demonstrate(demo_options.workdir_of(options), options, Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
