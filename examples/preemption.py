"""Demo: a trainer that gets SIGTERM finishes its step, saves, ends with 0, and later goes on to the last bit.

Trains a small language model without interruption, then again with a trainer that gets a pre-emption notice at
random moments, and is started again each time. No step is run twice, and every batch and every loss equals that of
the uninterrupted run. Exit code 0 only if this is so.

    python examples/preemption.py
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from corpus import write_corpus
from demo_options import seed_of
from report import Attempt, StepRecord, compare
from train_lm import Run

CORPUS_BYTES = 300_000
SAVE_EVERY = 1000  # longer than the run, so that only the notice saves


def run_trainer(run: Run, notice_at: int | None, delay: float) -> Attempt:
    """Starts the trainer, and follows its report until it ends by itself with exit code 0.

    Args:
        run: The run; it goes on from its latest checkpoint.
        notice_at: SIGTERM is sent after the report of this step; None sends none.
        delay: Seconds from that report to the signal.

    Returns:
        The reported steps.

    Raises:
        RuntimeError: It ended with another exit code.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    records: list[StepRecord] = []
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    errors_path = run.folder / "stderr.txt"
    with (
        errors_path.open("w") as errors,
        subprocess.Popen(run.command(), stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        for line in process.stdout or ():
            records.append(StepRecord(**json.loads(line)))
            if records[-1].step == notice_at:
                threading.Timer(delay, process.terminate).start()
    if process.returncode != 0:
        raise RuntimeError(f"the trainer ended with {process.returncode}:\n{errors_path.read_text()[-2000:]}")
    return Attempt(records, killed=False)


def demonstrate(folder: Path, steps: int, notices: int, seed: int) -> bool:
    """Runs the demo in an empty folder. Says whether the two runs are equal and no step was run twice."""
    write_corpus(folder / "corpus", shards=3, max_bytes=CORPUS_BYTES)
    uninterrupted, interrupted = (
        Run(folder / "corpus", folder / name, steps, SAVE_EVERY) for name in ("uninterrupted", "interrupted")
    )
    expected = run_trainer(uninterrupted, None, 0)
    draw = random.Random(seed)
    attempts: list[Attempt] = []
    first = 0
    for _ in range(notices):
        at = first + draw.randrange(steps // (2 * notices + 2))
        attempts.append(run_trainer(interrupted, at, draw.random() / 50))
        last = attempts[-1].records[-1].step
        print(
            f"Steps {first} to {last}: SIGTERM after the report of step {at}, saved after step {last}, exit code 0."
        )
        first = last + 1
    attempts.append(run_trainer(interrupted, None, 0))
    print(f"Steps {first} to {steps - 1}: trained to the end.")

    comparison = compare(steps, expected, attempts)
    print(
        f"Of {comparison.compared} steps {comparison.equal_batches} have the same batch, to the byte, and "
        f"{comparison.equal_losses} the same loss, to the bit; {comparison.compared - steps} were run twice."
    )
    return comparison.equal and comparison.compared == steps


def main() -> int:
    """Runs the demo. Returns its exit code, 0 only if everything is equal."""
    parser = argparse.ArgumentParser(description="Prove that a pre-empted trainer goes on as if it never had been.")
    parser.add_argument("--steps", type=int, default=60, help="steps of either run, more than 20 (default: 60)")
    parser.add_argument("--notices", type=int, default=2, help="number of SIGTERMs (default: 2)")
    parser.add_argument("--seed", type=int, help="seed of their moments (default: drawn and printed)")
    options = parser.parse_args()
    seed = seed_of(options)
    print(f"Seed {seed}.")
    with tempfile.TemporaryDirectory(prefix="resumable_data_demo_") as folder:
        return 0 if demonstrate(Path(folder), options.steps, options.notices, seed) else 1


if __name__ == "__main__":
    sys.exit(main())
