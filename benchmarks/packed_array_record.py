"""Packed batches from ArrayRecord tokens: this library, Grain, and the limit, side by side in one run.

The job: 200,000 documents of log-normal length (mean 540 tokens) in ArrayRecord files; shuffle, repeat, pack to rows
of 2,048 tokens, batches of 32 rows with tokens, segment ids and positions. All contenders take turns in one run, and
the ratios between them count:

- Grain in the set-ups of ``grain_setups``. The comparison is with the fastest of them, without and with worker
  processes, whatever its strategy.
- This library with every strategy, with and without ``prefetch``, in one process.
- The limit: array_record's own reader with the same records in large batches, copied once.

Then the cost of states: ``get_state``, and restoring to the first batch at step 10 and at step 10⁶ (a state that was
moved there, see ``state_costs``). Then a source of 10⁹ documents (``large_source``).

Prints two tables, and a JSON line for each figure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import array_record_limit
import click
import grain_setups
import pipelines
import state_costs
from corpus import CorpusSpec, ensure_corpus
from figures import Figure, Goal, print_goals, print_json
from large_source import measure_large_source
from rich.console import Console
from rich.table import Column, Table
from throughput import Contender, Result, fastest, measure

JOB = pipelines.Job()
STRATEGIES = ("best_fit", "first_fit", "concat_split")
STRATEGY_WITH_GOALS = "best_fit"
OWN_BATCHES_A_GRAIN_BATCH = 20  # They are that much faster, and a timing must span many packing windows.

_REPORT_WIDTH = 100

LIMIT, OWN, GRAIN, GRAIN_WORKERS = "Limit", "resumable_data", "Grain, in-process", "Grain, 2 workers"


@dataclass(frozen=True)
class Comparison:
    """All results, and those that the others are compared with.

    Attributes:
        results: All results.
        grain: The fastest of Grain's set-ups in one process.
        workers: The fastest of Grain's set-ups with workers.
        limit: The limit.
    """

    results: Sequence[Result]
    grain: Result
    workers: Result
    limit: Result

    @classmethod
    def of(cls, results: Sequence[Result]) -> Comparison:
        """Finds the fastest contender of each group."""
        return cls(results, *(fastest(results, group) for group in (GRAIN, GRAIN_WORKERS, LIMIT)))


def contenders(files: Sequence[str], batches: int) -> Iterator[Contender]:
    """Returns all contenders."""
    reads = array_record_limit.reads_an_epoch(files)
    yield Contender("array_record reads", LIMIT, partial(array_record_limit.tokens, files, seed=1), reads)
    source = pipelines.array_record_source(files)
    for strategy in STRATEGIES:
        dataset = JOB.dataset(source, strategy)
        start, timed = partial(pipelines.tokens, dataset), batches * OWN_BATCHES_A_GRAIN_BATCH
        yield Contender(strategy, OWN, start, timed)
        start = partial(pipelines.tokens, dataset.prefetch())
        yield Contender(f"{strategy}, prefetch", OWN, start, timed, ahead=pipelines.AHEAD)
    for group, setups in ((GRAIN, grain_setups.IN_PROCESS), (GRAIN_WORKERS, grain_setups.TWO_WORKERS)):
        for setup in setups:
            start = partial(setup.tokens, files, length=JOB.length, batch=JOB.batch, seed=JOB.seed)
            yield Contender(setup.name, group, start, batches, ahead=setup.ahead)


def throughput_figures(comparison: Comparison) -> Iterator[Figure]:
    """Returns all rates, and the ratios of this library's pipelines. Those of one strategy have goals."""
    for result in comparison.results:
        name = f"{result.contender.group}: {result.contender.name}"
        yield Figure(name, result.rate / 1e6, "M tokens/s")
        if result.contender.group == OWN:
            has_goals = result.contender.name.startswith(STRATEGY_WITH_GOALS)
            for what, value, bound in (
                ("to Grain's best in-process", result.ratio_to(comparison.grain), 25),
                ("to Grain's best with workers", result.ratio_to(comparison.workers), 12),
                ("share of the limit", result.ratio_to(comparison.limit), 0.75),
                ("filled share", result.filled, 0.999),
            ):
                yield Figure(f"{name}: {what}", value, "x", Goal(bound, at_least=True) if has_goals else None)


def state_figures(files: Sequence[str]) -> Iterator[Figure]:
    """Measures the cost of states."""
    source = pipelines.array_record_source(files)
    dataset = JOB.dataset(source)
    yield Figure("get_state", state_costs.get_state_seconds(dataset) * 1e6, "µs", Goal(20))
    early, in_second_window = (state_costs.state_after(dataset, steps) for steps in (10, 40))
    far = state_costs.state_moved_to(dataset, in_second_window, 10**6, JOB, len(source))
    for state in (early, far):
        milliseconds = state_costs.restore_seconds(dataset, state) * 1e3
        yield Figure(f"restore to first batch, step {state['step']:,}", milliseconds, "ms", Goal(50))


def large_source_figures() -> Iterator[Figure]:
    """Measures the cost of 10⁹ documents."""
    measured = measure_large_source()
    yield Figure("10⁹ documents: first batch", measured["first_batch_seconds"], "s", Goal(2))
    yield Figure("10⁹ documents: resident memory", measured["resident_megabytes"], "MB", Goal(500))
    yield Figure("10⁹ documents: cost of a step, to 10⁵ documents", measured["step_ratio"], "x")


def print_throughput(comparison: Comparison, console: Console) -> None:
    """Prints the comparison, group by group."""
    columns = ("M tokens/s", "filled", "× Grain", "× workers", "of limit")
    title = f"Batches of {JOB.batch} × {JOB.length} tokens, against the fastest of Grain and the limit"
    table = Table("pipeline", *(Column(column, justify="right") for column in columns), title=title)
    for group, members in groupby(comparison.results, key=lambda result: result.contender.group):
        table.add_row(f"[bold]{group}[/]")
        for result in members:
            table.add_row(
                f"  {result.contender.name}",
                f"{result.rate / 1e6:.2f}",
                f"{result.filled:.2%}",
                f"{result.ratio_to(comparison.grain):.2f}",
                f"{result.ratio_to(comparison.workers):.2f}",
                f"{result.ratio_to(comparison.limit):.1%}",
            )
        table.add_section()
    console.print(table)


@click.command()
@click.option("--documents", default=200_000, show_default=True, help="Documents in the corpus.")
@click.option("--rounds", default=3, show_default=True, help="How often each contender takes its turn.")
@click.option("--batches", default=60, show_default=True, help="Batches of a Grain set-up in a round.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path(tempfile.gettempdir()) / "resumable_data_benchmarks",
    show_default=True,
    help="Where the corpus is kept.",
)
@click.option("--json-only", is_flag=True, help="Print the JSON lines alone.")
def main(documents: int, rounds: int, batches: int, data_dir: Path, json_only: bool) -> None:
    """Compares packed pipelines over ArrayRecord tokens."""
    files = ensure_corpus(CorpusSpec(documents), data_dir, show_progress=not json_only)
    # Microseconds are measured first: the contenders leave threads that take a while to end.
    of_states = [*state_figures(files), *large_source_figures()]
    results = measure(list(contenders(files, batches)), rounds, show_progress=not json_only)
    comparison = Comparison.of(results)
    figures = [*throughput_figures(comparison), *of_states]
    if not json_only:
        console = Console(width=_REPORT_WIDTH)
        print_throughput(comparison, console)
        print_goals(figures, console)
    print_json(figures)


if __name__ == "__main__":
    main()
