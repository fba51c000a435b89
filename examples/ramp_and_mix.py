"""Demo: a batch ramp-up, a mix that changes, and an edit half-way. Kills change none of it.

Writes three kinds of documents of Python's standard library, and its manual, to ArrayRecord shards. Trains a
small language model on a mix of the three. Their weights change linearly while the batch grows to four times its
size. At a set step the run is stopped, and restored with the manual added and with other weights. Then the same is
done with a trainer that is killed in each phase: during the ramp-up, after it, and after the edit. Compares every
batch and every loss of the two runs. Shows what they took from each component, and the edits in their checkpoints.
Exit code 0 only if all is equal.

    python examples/ramp_and_mix.py
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import demo_options
from mixed_corpus import write_mixed_corpus
from mixed_trainer import Timetable, build_pipeline
from report import Attempt, compare, result_table
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from train_lm import Run, run_trainer
from trainer import WARMUP_STEPS

import resumable_data as rd

TRAINER = Path(__file__).with_name("mixed_trainer.py")
CORPUS_BYTES = 1_000_000  # small enough for more than an epoch of the comments


@dataclass(frozen=True)
class MixedRun(Run):
    """A training run, or its part before or after the edit.

    Attributes:
        edited: Whether it is the part after the edit.
    """

    edited: bool = False

    @property
    def timetable(self) -> Timetable:
        """When the run changes."""
        return Timetable(self.steps // 3)

    def command(self) -> list[str]:
        """Returns the command line of the trainer, the same for each start of this part."""
        return [
            *(sys.executable, str(TRAINER)),
            *("--corpus", str(self.corpus), "--checkpoints", str(self.checkpoints)),
            *("--phase", str(self.timetable.phase), "--save-every", str(self.save_every)),
            *(["--edited"] if self.edited else []),
        ]


@dataclass(frozen=True)
class Life:
    """One life of a trainer process.

    Attributes:
        edited: Whether it trains after the edit; otherwise it trains up to it.
        kill_after: It is killed after it reports this step; None lets it end.
    """

    edited: bool
    kill_after: int | None = None


UNINTERRUPTED = (Life(edited=False), Life(edited=True))


def choose_lives(seed: int, timetable: Timetable, save_every: int) -> list[Life]:
    """Plans the lives of a trainer that is killed at a random step of each phase.

    Args:
        seed: The same seed gives the same steps.
        timetable: The phases.
        save_every: The least distance of a chosen step from both ends of its phase.
    """
    generator = random.Random(seed)
    kills = [
        generator.randrange(first + save_every, first + timetable.phase - save_every)
        for first in range(0, timetable.steps, timetable.phase)
    ]
    before, after = UNINTERRUPTED
    killed = [Life(edited=kill >= timetable.edit, kill_after=kill) for kill in kills]
    return [*killed[:2], before, killed[2], after]


def train(run: MixedRun, lives: Sequence[Life], progress: Progress) -> list[Attempt]:
    """Trains to the last step in several processes, one after the other."""
    name = run.folder.name
    bar = progress.add_task(name, total=run.steps)
    attempts = []
    for life in lives:
        part = replace(run, edited=life.edited)
        attempt = run_trainer(part, lambda step: progress.update(bar, completed=step + 1), life.kill_after)
        attempts.append(attempt)
        ended = "Killed" if attempt.killed else "Ended"
        progress.console.print(f"{ended} the {name} trainer after step {attempt.records[-1].step}.")
    return attempts


def state_at(run: MixedRun, step: int) -> dict[str, Any]:
    """Reads the position in the data from a run's checkpoint of a step."""
    return json.loads((run.checkpoints / str(step) / "data" / "state.json").read_text())


def refusal(run: MixedRun) -> str | None:
    """Returns the error if the edit is not allowed, or None if there is no error."""
    try:
        iter(build_pipeline(run.corpus, run.timetable, edited=True)).set_state(state_at(run, run.timetable.edit))
    except rd.PipelineMismatchError as error:
        return str(error)
    return None


def mix_table(run: MixedRun) -> Table:
    """Makes a table of what a run has taken from each component, at the edit and at the end."""
    columns = ("rows", "documents", "tokens", "epochs", "share", "target", "rows off target")
    title = "Components; share and target since the weights last changed"
    table = Table("component", *(Column(column, justify="right") for column in columns), title=title)
    for edited, step in ((False, run.timetable.edit), (True, run.steps)):
        batches = iter(build_pipeline(run.corpus, run.timetable, edited=edited))
        batches.set_state(state_at(run, step))
        progress = batches.progress()
        rows = progress.rows - (batches.edits[-1].rows if batches.edits else 0)
        table.add_row(f"[bold]after {step} steps[/]")
        for name, counts in progress.components.items():
            table.add_row(
                f"  {name}",
                *(f"{count:,}" for count in (counts.rows, counts.documents, counts.tokens)),
                f"{counts.epochs:.2f}",
                *(f"{share:.1%}" for share in (counts.share, counts.target)),
                f"{(counts.share - counts.target) * rows:+.2f}",
            )
        table.add_section()
    return table


def edits_table(run: MixedRun) -> Table:
    """Makes a table of the edits in a run's last checkpoint."""
    table = Table("from step", "after row", "what", "before", "after", title="Edits, from the last checkpoint")
    for edit in map(rd.Edit.from_json, state_at(run, run.steps)["edits"]):
        table.add_row(str(edit.step), f"{edit.rows:,}", subject(edit), readable(edit.before), readable(edit.after))
    return table


def subject(edit: rd.Edit) -> str:
    """Describes the subject of an edit."""
    return f"{edit.stage}.{edit.setting}" if edit.kind == "setting" else str(edit)


def readable(value: Any) -> str:
    """Formats a value of an edit; weights take a line a point."""
    if isinstance(value, dict) and "points" in value:
        return "\n".join(
            f"{step}: " + " ".join(f"{name}={weight:g}" for name, weight in weights.items())
            for step, weights in value["points"]
        )
    return "" if value is None else str(value)


def demonstrate(workdir: Path, options: argparse.Namespace, console: Console) -> bool:
    """Runs the whole demo in a folder.

    Args:
        workdir: An empty folder.
        options: The parsed command line.
        console: The console to write to.

    Returns:
        Whether the two runs are equal.
    """
    corpus, timetable = workdir / "corpus", Timetable(options.phase)
    run, other_run = (
        MixedRun(corpus, workdir / name, timetable.steps, options.save_every)
        for name in ("uninterrupted", "interrupted")
    )
    lives = choose_lives(options.seed, timetable, options.save_every)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not options.progress) as progress:
        written = write_mixed_corpus(corpus, max_bytes=options.corpus_bytes)
        listed = ", ".join(f"{n:,} of {kind} ({tokens:,} tokens)" for kind, (n, tokens) in written.items())
        console.print(f"Documents: {listed}.")
        console.print(
            f"Batches of {' → '.join(map(str, timetable.batches.sizes))} rows; the mix is edited after "
            f"{timetable.edit} of {timetable.steps} steps."
        )
        before, after = train(run, UNINTERRUPTED, progress)
        uninterrupted = Attempt([*before.records, *after.records], killed=False)
        kills = [life.kill_after for life in lives if life.kill_after is not None]
        console.print(f"Seed {options.seed}: the other trainer is to be killed after the steps {kills}.")
        attempts = train(other_run, lives, progress)
    comparison = compare(timetable.steps, uninterrupted, attempts)
    equal_states = state_at(run, run.steps) == state_at(other_run, run.steps)
    refused = refusal(other_run)
    console.print(mix_table(other_run))
    console.print(edits_table(other_run))
    console.print(f"[bold]Without allow=, the edit is refused:[/] {refused or 'NO'}", highlight=False)
    console.print(f"[bold]Are the last states of the runs equal?[/] {'yes' if equal_states else 'NO'}")
    console.print(result_table(uninterrupted, attempts, comparison))
    passed = comparison.equal and equal_states and refused is not None
    if passed and options.workdir is None:
        shutil.rmtree(workdir)
    return passed


def parse_options() -> argparse.Namespace:
    """Reads and checks the command line of the demo."""
    parser = argparse.ArgumentParser(
        description="Prove that a ramp-up, a changing mix and an edit survive kills, to the bit."
    )
    parser.add_argument(
        "--phase", type=int, default=40, help="steps of each of the three phases (default: %(default)s)"
    )
    demo_options.add_options(parser, save_every=10, corpus_bytes=CORPUS_BYTES)
    options = demo_options.parse(parser)
    if options.save_every < 1 or options.phase <= 2 * options.save_every:
        parser.error("--phase must be more than twice --save-every, which is at least 1")
    if Timetable(options.phase).steps <= WARMUP_STEPS:
        parser.error(f"three phases must be longer than the {WARMUP_STEPS} steps of the learning rate's warm-up")
    return options


def main() -> int:
    """Runs the demo. Returns its exit code, 0 only if everything is equal."""
    options = parse_options()
    return 0 if demonstrate(demo_options.workdir_of(options), options, Console()) else 1


if __name__ == "__main__":
    sys.exit(main())
