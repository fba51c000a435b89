"""Kills and resumes the example trainer at random for as long as is asked, and checks every step that it does.

It trains on tokens and on text, which the processes filter, tokenize and measure by shares. Each time it starts with
a random number of processes, on four devices in all. It ends at a random moment: while it starts, between steps or
while it saves; by SIGKILL to one process or to all, or sometimes by SIGTERM. It checks

- the batches: the chain of their digests equals that of a plain, uninterrupted iteration in this process;
- the position: each life begins after the latest complete checkpoint, and after SIGTERM that is the last step;
- the losses: equal to the bit if a step is done again after the same history of process counts, and within
  TOLERANCE of an uninterrupted training (a reduction across processes adds in another order).

    python -m property_tests.testing.soak --kills 200 --processes 1,1,2,4
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from property_tests.testing.programs.small_trainer import build_pipeline, trainer, write_corpus
from property_tests.testing.soak_ledger import Ledger, largest_difference
from property_tests.testing.soak_life import (
    DEVICES,
    KILL_ALL,
    KILL_ONE,
    NOTICE,
    SAVE_EVERY,
    SAVING,
    STARTING,
    STEPPING,
    Plan,
    UnexpectedEndError,
    committed,
    keep_what_is_compiled,
    live,
)

TOLERANCE = 1e-5
LONGEST_START = 8.0
MOST_STEPS = 4 * SAVE_EVERY


class Soak:
    """The run and its counts.

    Args:
        folder: The folder of the corpus and the checkpoints.
        processes: Numbers of processes to draw from.
        seed: The seed of all draws.
        shows: Whether to print a line for each life.
    """

    def __init__(self, folder: Path, processes: list[int], seed: int, shows: bool) -> None:
        self._folder = folder
        self._corpus = folder / "corpus"
        self._processes = processes
        self._draw = random.Random(seed)
        self._shows = shows
        self._started = time.monotonic()
        write_corpus(self._corpus)
        self._pipeline = build_pipeline(self._corpus)
        self._uninterrupted = iter(self._pipeline)
        self._ledger = Ledger(self._digests())
        self.kills: Counter[str] = Counter()
        self.lives: Counter[int] = Counter()
        self.resumes = 0

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    def end_a_life(self) -> None:
        """Starts the trainer, and ends it at a drawn moment."""
        draw = self._draw
        processes = draw.choice(self._processes)
        signal = draw.choices([KILL_ALL, KILL_ONE, NOTICE], [4, 4, 2])[0]
        moment = STEPPING if signal == NOTICE else draw.choices([STARTING, STEPPING, SAVING], [1, 4, 5])[0]
        plan = Plan(
            processes,
            signal,
            victim=draw.randrange(processes),
            moment=moment,
            after=draw.randint(1, MOST_STEPS),
            delay=draw.random() * (LONGEST_START if moment == STARTING else 0.05),
            grace=draw.choice([0.0, draw.random()]),
        )
        self._live(plan, "checkpoints", self._ledger)
        self.kills[f"{signal}, {moment}"] += 1

    def finish(self) -> float:
        """Goes on after the last kill, then trains without interruption; returns the largest difference of a loss."""
        steps = self._ledger.steps + 1
        beyond = steps - committed(self._folder / "checkpoints")
        self._live(_to_the_end(self._processes[0], beyond), "checkpoints", self._ledger)
        reference = Ledger(self._digests(), self._ledger.losses)
        self._live(_to_the_end(self._processes[0], steps), "uninterrupted", reference)
        self._ledger.equal_losses += reference.equal_losses
        return largest_difference(self._ledger.latest_losses, reference.latest_losses)

    def summary(self) -> str:
        """Describes the run and its counts."""
        ledger = self._ledger
        components = self._uninterrupted.progress().components
        epochs = ", ".join(f"{counts.epochs:.1f} of {name}" for name, counts in sorted(components.items()))
        kinds = "".join(f"  {count:4} {kind}\n" for kind, count in sorted(self.kills.items()))
        lives = ", ".join(f"{count} with {processes}" for processes, count in sorted(self.lives.items()))
        return (
            f"kills: {self.kills.total()}\n{kinds}"
            f"resumes from a checkpoint: {self.resumes}\n"
            f"starts by number of processes, on {DEVICES} devices in all: {lives}\n"
            f"steps verified: {ledger.verified}, of which {ledger.redone} done again; furthest step {ledger.steps}\n"
            f"epochs: {epochs}\n"
            f"losses compared after the same history, all equal to the bit: {ledger.equal_losses}\n"
            f"seconds: {self.seconds:.0f}"
        )

    def _live(self, plan: Plan, name: str, ledger: Ledger) -> None:
        checkpoints = self._folder / name
        resumed = committed(checkpoints)
        self.lives[plan.processes] += 1
        following = resumed

        def on_step(line: dict[str, object]) -> None:
            nonlocal following
            if line["step"] != following:
                raise UnexpectedEndError(f"step {line['step']} was reported where {following} follows, in {plan}")
            ledger.deliver(following, str(line["batch"]), str(line["loss"]), plan.processes)
            following += 1

        live(self._corpus, checkpoints, plan, on_step)
        self.resumes += 0 < resumed < following
        saved = committed(checkpoints)
        if plan.signal == NOTICE and saved != following:
            raise UnexpectedEndError(f"step {following} was not saved after {plan}, but step {saved}")
        if self._shows:
            print(
                f"{self.seconds:6.0f} s, start {self.lives.total()}: {plan.processes} processes, {name} "
                f"from step {resumed} to {following}, saved {saved}: {plan.signal} {plan.moment}",
                flush=True,
            )

    def _digests(self) -> Iterator[str]:
        self._uninterrupted = iter(self._pipeline)
        return map(trainer.digest, self._uninterrupted)


def _to_the_end(processes: int, steps: int) -> Plan:
    return Plan(processes, NOTICE, victim=0, moment=STEPPING, after=steps, delay=0.0, grace=0.0)


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(description="Kill and resume the example trainer at random.")
    parser.add_argument("--kills", type=int, help="end after so many")
    parser.add_argument("--minutes", type=float, help="end after so long")
    parser.add_argument("--seed", type=int, help="seed of all that is drawn (default: drawn and printed)")
    parser.add_argument(
        "--processes", default="1,2,4", help="numbers to draw from; one named twice comes twice as often"
    )
    parser.add_argument("--workdir", type=Path, help="empty folder to keep everything in (default: a temporary one)")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="print the summary alone")
    options = parser.parse_args()
    options.processes = [int(count) for count in options.processes.split(",")]
    if (options.kills is None) == (options.minutes is None):
        parser.error("give --kills or --minutes")
    if any(count not in (1, 2, 4) for count in options.processes):
        parser.error(f"--processes takes what divides the {DEVICES} devices: 1, 2 and 4")
    if options.workdir is not None and options.workdir.exists() and any(options.workdir.iterdir()):
        parser.error(f"--workdir {options.workdir} is not empty")
    return options


def main() -> int:
    """Runs the soak. Returns its exit code, 0 only if all is equal."""
    options = parse_options()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    print(f"seed: {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="resumable_data_soak_") as temporary:
        folder = options.workdir or Path(temporary)
        keep_what_is_compiled(os.environ.__setitem__, folder / "compiled")
        soak = Soak(folder, options.processes, seed, options.progress)
        try:
            while (
                soak.kills.total() < options.kills
                if options.kills is not None
                else soak.seconds < options.minutes * 60
            ):
                soak.end_a_life()
            difference = soak.finish()
        except AssertionError as error:
            print(f"{soak.summary()}\nNOT EQUAL: {error}")
            return 1
        print(soak.summary())
        print(f"largest difference of a loss from uninterrupted training: {difference:.1e} (tolerance {TOLERANCE})")
        equal = difference <= TOLERANCE
        print("equal: all" if equal else "NOT EQUAL: losses")
        return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
