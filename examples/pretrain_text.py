"""Demo: pretrains on a Hugging Face text dataset; killed, resumed by two processes, killed, resumed by one.

Writes a real corpus to Parquet files, and trains a byte-level BPE tokenizer on it. It downloads nothing. Trains a
small language model on the text, which is tokenized when it is read, without interruption. Then trains again with a
trainer that is killed (SIGKILL), goes on as two processes that each tokenize only the documents of their own rows, is
killed again, and goes on as one. Compares every batch to the byte with the uninterrupted run, and that run with an
iteration without training. Compares every loss: to the bit up to the first change of the number of processes, and
within a tolerance after it, since several processes may add up gradients in another order. Exit code 0 only if all is
equal.

    python examples/pretrain_text.py
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from signal import SIGKILL

import numpy as np
from demo_options import seed_of
from parquet_corpus import write_parquet_corpus
from report import Attempt, StepRecord, compare, losses
from rich.console import Console
from rich.table import Column, Table
from text_trainer import build_pipeline, open_source
from train_lm import Run
from trainer import WARMUP_STEPS, digest

TRAINER = Path(__file__).with_name("text_trainer.py")
SHARDS = 4
DEVICES = 2  # of a run, whatever its number of processes
TOLERANCE = 1e-5  # of a loss, relative to its size, on another topology: docs/elastic_resume.md


@dataclass(frozen=True)
class Life:
    """One life of a trainer.

    Attributes:
        processes: Number of processes.
        kill_after: The step after whose report they are killed, or, if none has been saved in this life, after the
            first checkpoint after it; None to let them end.
    """

    processes: int
    kill_after: int | None = None


@dataclass(frozen=True)
class TextStep(StepRecord):
    """The trainer's report of one step.

    Attributes:
        tokens: Number of targets that are not padding.
        tokenized: Documents that each process has tokenized since its start, with those read ahead.
    """

    tokens: int
    tokenized: Sequence[int]


@dataclass(frozen=True)
class TextAttempt(Attempt):
    """One life of a trainer, with its speed.

    Attributes:
        tokens_a_second: The speed between the reports of its first and its last step.
    """

    tokens_a_second: float


def run_life(run: Run, life: Life) -> TextAttempt:
    """Starts the processes of a trainer, and follows their report until they end or are killed.

    Raises:
        RuntimeError: They ended otherwise than they should have.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    records: list[TextStep] = []
    times: list[float] = []
    with ExitStack() as stack:
        errors = stack.enter_context((run.folder / "stderr.txt").open("a"))
        processes = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=env))
            for command, env in commands(run, life.processes)
        ]
        stack.callback(kill, processes)
        for line in processes[0].stdout or ():
            if not line.startswith("{"):
                continue  # the library that connects the processes also prints
            records.append(TextStep(**json.loads(line)))
            times.append(time.monotonic())
            due = life.kill_after is not None and records[-1].step >= life.kill_after
            if due and latest_checkpoint(run) > records[0].step:
                kill(processes)
        codes = [process.wait() for process in processes]
    if set(codes) != {0 if life.kill_after is None else -SIGKILL}:
        raise RuntimeError(f"{life} ended with {codes}:\n{(run.folder / 'stderr.txt').read_text()[-2000:]}")
    tokens = sum(record.tokens for record in records[1:])
    return TextAttempt(records, life.kill_after is not None, tokens / (times[-1] - times[0]))


def commands(run: Run, processes: int) -> list[tuple[list[str], dict[str, str]]]:
    """Returns the command line of each process, and its environment."""
    devices = f"--xla_force_host_platform_device_count={DEVICES // processes}"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": devices, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, str(TRAINER), *run.command()[2:]]
    if processes == 1:
        return [(command, environment)]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        together = ["--coordinator", f"localhost:{free.getsockname()[1]}", "--processes", str(processes)]
    return [([*command, *together, "--process", str(process)], environment) for process in range(processes)]


def kill(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Sends SIGKILL to all processes that still run."""
    for process in processes:
        process.kill()


def latest_checkpoint(run: Run) -> int:
    """Returns the step of the latest complete checkpoint, or 0."""
    return max((int(path.name) for path in run.checkpoints.glob("*") if path.name.isdecimal()), default=0)


def iterate(corpus: Path, steps: int) -> TextAttempt:
    """Makes the same batches in this process, without training, and so without losses."""
    source = open_source(corpus)
    with iter(build_pipeline(source, corpus / "tokenizer").prefetch()) as iterator:
        started = time.monotonic()
        batches = list(islice(iterator, steps))
        seconds = time.monotonic() - started
    tokens = [int(np.count_nonzero(batch.targets_segmentation)) for batch in batches]
    records = [
        TextStep(step, digest(batch), "nan", tokens[step], [source.read_documents])
        for step, batch in enumerate(batches)
    ]
    return TextAttempt(records, killed=False, tokens_a_second=sum(tokens) / seconds)


def lives_table(lives: Sequence[tuple[str, TextAttempt]]) -> Table:
    """Makes a table with a row for each life, under its name."""
    columns = ("steps", "tokens a second", "documents tokenized by each process")
    table = Table("", *(Column(column, justify="right") for column in columns), title="Lives")
    for name, life in lives:
        first, last = life.records[0], life.records[-1]
        steps = f"{first.step} to {last.step}{', killed' if life.killed else ''}"
        documents = " and ".join(f"{count:,}" for count in last.tokenized)
        table.add_row(name, steps, f"{life.tokens_a_second:,.0f}", documents)
    return table


def largest_difference(uninterrupted: Attempt, attempts: Sequence[Attempt]) -> float:
    """Returns the largest difference of a loss from the uninterrupted run, relative to its size."""
    expected = dict(zip(*losses(uninterrupted), strict=True))
    pairs = [(loss, expected[step]) for attempt in attempts for step, loss in zip(*losses(attempt), strict=True)]
    return max(abs(loss - other) / abs(other) for loss, other in pairs)


def demonstrate(workdir: Path, options: argparse.Namespace, console: Console) -> bool:
    """Runs the whole demo in an empty folder. Says whether all is equal."""
    corpus, steps = workdir / "corpus", options.steps
    run, other_run = (Run(corpus, workdir / name, steps, options.save_every) for name in ("whole", "killed"))
    documents = write_parquet_corpus(corpus, shards=SHARDS, max_bytes=options.corpus_bytes)
    console.print(f"Corpus: {documents:,} documents of the standard library in {SHARDS} Parquet files.")
    draw = random.Random(options.seed)
    kills = [draw.randrange(options.save_every, steps // 3), draw.randrange(steps // 2, steps * 3 // 4)]
    console.print(f"Seed {options.seed}: the trainer is to be killed after the steps {kills}.")
    whole = run_life(run, Life(1))
    attempts = [run_life(other_run, life) for life in (Life(1, kills[0]), Life(2, kills[1]), Life(1))]
    plain = iterate(corpus, steps)
    names = ("uninterrupted", "one process", "two processes", "one process", "iteration alone")
    console.print(lives_table(list(zip(names, (whole, *attempts, plain), strict=True))))

    comparison, before = compare(steps, whole, attempts), compare(steps, whole, attempts[:1])
    difference = largest_difference(whole, attempts[1:])
    equal_plain = sum(record.batch == other.batch for record, other in zip(plain.records, whole.records, strict=True))
    table = Table(title="Interrupted against uninterrupted training", show_header=False)
    for what, compared, equal in (
        ("batches compared / equal to the byte", comparison.compared, comparison.equal_batches),
        ("those of the iteration alone", steps, equal_plain),
        ("losses before the number of processes changed / equal to the bit", before.compared, before.equal_losses),
    ):
        table.add_row(what, f"{compared} / {equal}")
    table.add_row("largest relative difference of a loss after it", f"{difference:.1e} (tolerance {TOLERANCE:.0e})")
    table.add_row("loss, first and last step", ", ".join(f"{losses(whole)[1][step]:.3f}" for step in (0, -1)))
    equal = (
        comparison.complete
        and comparison.distinct_batches == steps
        and comparison.compared == comparison.equal_batches
        and steps == equal_plain
        and before.compared == before.equal_losses
        and difference <= TOLERANCE
    )
    table.add_row("[bold]equal?[/]", "[bold green]yes[/]" if equal else "[bold red]NO[/]")
    console.print(table)
    return equal


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line of the demo."""
    parser = argparse.ArgumentParser(description="Prove that pretraining on text goes on through kills, elastically.")
    parser.add_argument("--steps", type=int, default=60, help="steps of either run (default: %(default)s)")
    parser.add_argument("--save-every", type=int, default=8, help="steps between checkpoints (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="seed of the steps to kill at (default: drawn and printed)")
    parser.add_argument(
        "--corpus-bytes", type=int, default=6_000_000, help="bound on the text (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.save_every < 1 or options.steps < max(6 * options.save_every, WARMUP_STEPS + 1):
        parser.error(
            f"--steps must be more than {WARMUP_STEPS} and at least 6 times --save-every, which is 1 or more"
        )
    options.seed = seed_of(options)
    return options


def main() -> int:
    """Runs the demo. Returns its exit code, 0 only if everything is equal."""
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="resumable_data_text_") as folder:
        return 0 if demonstrate(Path(folder), options, Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
