"""The cost of a step of a mix, by its number of components: this library beside Grain, in one run.

The same number of documents (log-normal lengths, mean 540 tokens) lies in 1, 10 and 100 ArrayRecord files, each file
a component of equal weight: shuffled, repeated, packed by best fit to rows of 2,048 tokens, in batches of 32 rows.
It mixes rows, after a packer for each component, or documents, before one packer. All contenders take turns, and the
ratios count: to a mix of one component, and to the fastest of Grain's mixes of as many components.

A read from a large ArrayRecord file costs more than one from a small file, and reads from many files cost more than
as many reads from one. So there are two mixes of one component, of one file and of the files of a hundred components,
and the faster one counts.

A timing covers the batches in which every component's window, or Grain's open rows of every packer, is filled once.
Otherwise the windows of a hundred components would be filled in the warm-up and never in a timing.

Prints a table, and a JSON line for each figure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
import pipelines
from corpus import CorpusSpec, ensure_corpus
from figures import Figure, Goal, print_goals, print_json
from grain_mixes import GrainMix, Level
from rich.console import Console
from rich.table import Column, Table
from throughput import Contender, Result, fastest, measure

import resumable_data as rd

COMPONENTS = (1, 10, 100)
MOST = COMPONENTS[-1]
GOAL = Goal(1.5)  # Cost of a step of the most components, relative to one component.
# In mixes of rows every component has a window, and every timing must plan all of them again.
JOBS = {Level.DOCUMENTS: pipelines.Job(window=4096), Level.ROWS: pipelines.Job(window=512)}
GRAIN_SETUPS = (
    GrainMix(Level.ROWS),
    GrainMix(Level.DOCUMENTS),
    GrainMix(Level.DOCUMENTS, read_threads=16),
)
OWN, GRAIN = "resumable_data", "Grain"
LEAST_BATCHES = 400  # of this library in a timing, which should last about a second


@dataclass(frozen=True)
class Mix:
    """A mix to be measured, with any maker.

    Attributes:
        level: The level of the mix, documents or rows.
        components: The files of each component.
        job: The settings of the pipeline.
    """

    level: Level
    components: Sequence[Sequence[str]]
    job: pipelines.Job

    def group(self, maker: str) -> str:
        """Returns the group of the maker's pipelines that make this mix."""
        return group(maker, self.level, len(self.components))

    @property
    def files(self) -> str:
        """Returns the number of files of a component."""
        files = len(self.components[0])
        return f"{files} file{'s' if files > 1 else ''} a component"

    def dataset(self) -> rd.Dataset[rd.LLMBatch]:
        """Makes this library's pipeline."""
        components: dict[str, rd.Dataset[Any]] = {
            f"c{number:03}": rd.Dataset.from_source(pipelines.array_record_source(files))
            .shuffle(seed=self.job.seed)
            .repeat()
            for number, files in enumerate(self.components)
        }
        if self.level is Level.DOCUMENTS:
            rows = self._packed(rd.mix(components))
        else:
            rows = rd.mix({name: self._packed(documents) for name, documents in components.items()})
        return rows.batch(self.job.batch)

    def own_batches(self, mean_length: int) -> int:
        """Returns the batches in which the window of every component is planned at least once."""
        windows = len(self.components) if self.level is Level.ROWS else 1
        tokens_a_batch = self.job.batch * self.job.length
        return max(windows * self.job.window * mean_length // tokens_a_batch, LEAST_BATCHES)

    def _packed(self, documents: rd.Dataset[Any]) -> rd.Dataset[rd.LLMBatch]:
        return documents.pack(length=self.job.length, strategy="best_fit", window=self.job.window, eod_id=0)


def group(maker: str, level: Level, components: int) -> str:
    """Names a maker's pipelines that mix a number of components."""
    return f"{maker}: mix of {level.value}, {components} component{'s' if components > 1 else ''}"


def contenders(mixes: Sequence[Mix], mean_length: int, grain_batches: int) -> Iterator[Contender]:
    """Returns all contenders that make one of the mixes, with this library's pipelines side by side."""
    for mix in mixes:
        start = partial(pipelines.tokens, mix.dataset())
        yield Contender(mix.files, mix.group(OWN), start, mix.own_batches(mean_length))
    for mix, setup in product(mixes, GRAIN_SETUPS):
        if setup.level is mix.level:
            job = mix.job
            start = partial(setup.tokens, mix.components, length=job.length, batch=job.batch, seed=job.seed)
            batches = max(setup.rows_a_cycle(len(mix.components)) // job.batch, grain_batches)
            yield Contender(f"{mix.files}, {setup.name}", mix.group(GRAIN), start, batches)


@dataclass(frozen=True)
class Comparison:
    """The fastest pipeline of each maker for each mix.

    Attributes:
        results: The results of every pipeline.
    """

    results: Sequence[Result]

    def best(self, maker: str, level: Level, components: int) -> Result:
        """Returns a maker's fastest pipeline."""
        return fastest(self.results, group(maker, level, components))

    def milliseconds(self, maker: str, level: Level, components: int) -> float:
        """Returns the cost of a step with every cell filled, so that all makers count as many tokens."""
        job = JOBS[level]
        return job.batch * job.length / self.best(maker, level, components).rate * 1e3

    def to_one(self, maker: str, level: Level, components: int) -> float:
        """Returns the cost of a step, relative to the maker's mix of one component."""
        return self.best(maker, level, 1).ratio_to(self.best(maker, level, components))

    def to_grain(self, level: Level, components: int) -> float:
        """Returns how many times as fast as Grain this library is."""
        return self.best(OWN, level, components).ratio_to(self.best(GRAIN, level, components))


def comparison_figures(comparison: Comparison) -> Iterator[Figure]:
    """Returns costs and ratios. Those of this library's mix of the most components have a goal."""
    for level, components in product(Level, COMPONENTS):
        for maker in (OWN, GRAIN):
            name = group(maker, level, components)
            milliseconds = comparison.milliseconds(maker, level, components)
            yield Figure(f"{name}: cost of a step", milliseconds, "ms")
            if components > 1:
                goal = GOAL if (maker, components) == (OWN, MOST) else None
                ratio = comparison.to_one(maker, level, components)
                yield Figure(f"{name}: cost of a step, to one component", ratio, "x", goal)
        yield Figure(
            f"{group(OWN, level, components)}: speed, to Grain's", comparison.to_grain(level, components), "x"
        )


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Prints the comparison of the fastest, a section for each level."""
    job = pipelines.Job()
    columns = ("ms a step", "to one", "filled", "Grain: ms a step", "to one", "filled", "× Grain")
    title = f"Mixes in batches of {job.batch} × {job.length} tokens, against the fastest of Grain's"
    table = Table("components", *(Column(column, justify="right") for column in columns), title=title)
    for level in Level:
        table.add_row(f"[bold]mix of {level.value}[/]")
        for components in COMPONENTS:
            cells = []
            for maker in (OWN, GRAIN):
                mix = maker, level, components
                filled = comparison.best(*mix).filled
                cells += [f"{comparison.milliseconds(*mix):.2f}", f"{comparison.to_one(*mix):.2f}", f"{filled:.2%}"]
            table.add_row(f"  {components}", *cells, f"{comparison.to_grain(level, components):.2f}")
        table.add_section()
    console.print(table)


@click.command()
@click.option("--documents", default=50_000, show_default=True, help="Documents in all components together.")
@click.option("--rounds", default=4, show_default=True, help="How often each contender takes its turn.")
@click.option("--batches", default=30, show_default=True, help="Fewest batches of a Grain set-up in a round.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=Path(tempfile.gettempdir()) / "resumable_data_benchmarks",
    show_default=True,
    help="Where the corpora are kept.",
)
@click.option("--json-only", is_flag=True, help="Print the JSON lines alone.")
def main(documents: int, rounds: int, batches: int, data_dir: Path, json_only: bool) -> None:
    """Compares mixes of few and of many components."""
    specs = [CorpusSpec(documents, shards=components) for components in COMPONENTS]
    corpora = [ensure_corpus(spec, data_dir, show_progress=not json_only) for spec in specs]
    split = [*([[file] for file in files] for files in corpora), corpora[-1:]]
    mixes = [Mix(level, components, JOBS[level]) for level, components in product(Level, split)]
    competing = list(contenders(mixes, specs[0].mean_length, batches))
    comparison = Comparison(measure(competing, rounds, show_progress=not json_only))
    figures = list(comparison_figures(comparison))
    if not json_only:
        console = Console()
        print_comparison(comparison, console)
        print_goals(figures, console)
    print_json(figures)


if __name__ == "__main__":
    main()
