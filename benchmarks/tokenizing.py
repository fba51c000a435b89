"""Text tokenized on the fly: this library, the tokenizer alone, and Grain's map, side by side in one run.

The job: an epoch of the sources of Python's standard library, cut into documents, as UTF-8 records of an
ArrayRecord file; shuffle, tokenize, pack to rows of 2,048 tokens, batches of 32 rows. All contenders have the same
byte-level BPE tokenizer, trained on this text. They take turns, and the ratios count:

- The tokenizer alone: ``encode_batch`` and ``encode_batch_fast`` on the same texts in memory, 256 or all in one
  call. The tokens are not read, packed or batched.
- This library, whole pipelines from the file to the batch, with and without ``prefetch``.
- Grain in the set-ups of ``grain_texts``. Its workers are timed within endless epochs, after their start.

Then the time from ``set_state`` to the first batch, in a process that runs all logical shards, and in one that runs
an eighth of them, like one of eight processes.

Prints two tables, and a JSON line for each figure.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import grain_texts
import numpy as np
from figures import Figure, Goal, print_goals, print_json
from rich.console import Console
from rich.table import Column, Table
from state_costs import restore_seconds, state_after
from text_corpus import EOD_ID, read_texts, train_tokenizer, write_texts
from tokenizers import Tokenizer
from turns import Measured, TokenCounts, Turn, measure

import resumable_data as rd

LENGTH, BATCH = 2048, 32
ALONE, ALONE_FAST = "Tokenizer alone: encode_batch", "Tokenizer alone: encode_batch_fast"
OWN, GRAIN, GRAIN_WORKERS = "resumable_data", "Grain, in-process", "Grain, 2 workers"
GOAL = Goal(0.9, at_least=True)
HOSTS = 8
_BATCHES_OF_WORKERS = 20
_AHEAD_OF_WORKERS = 24
_REPORT_WIDTH = 100


@dataclass(frozen=True)
class Job:
    """The texts and their tokenizer.

    Attributes:
        texts: The documents, in a random order.
        file: The same documents as records.
        tokenizer: The tokenizer.
    """

    texts: Sequence[str]
    file: str
    tokenizer: Tokenizer

    def dataset(self) -> rd.Dataset[rd.LLMBatch]:
        """Makes this library's pipeline, endless."""
        return self._batches(self._documents().repeat())

    def epoch(self) -> rd.Dataset[rd.LLMBatch]:
        """Makes this library's pipeline, one epoch."""
        return self._batches(self._documents())

    def _documents(self) -> rd.Dataset[Any]:
        source = rd.ArrayRecordSource(self.file, parse=bytes, progress=False)
        return rd.Dataset.from_source(source, name="text").shuffle(seed=7)

    def _batches(self, documents: rd.Dataset[Any]) -> rd.Dataset[rd.LLMBatch]:
        return documents.tokenize(self.tokenizer, eod_id=EOD_ID).pack(LENGTH).batch(BATCH, drop_remainder=False)


def own_tokens(dataset: rd.Dataset[rd.LLMBatch]) -> TokenCounts:
    """Yields the tokens of one batch after the other."""
    with iter(dataset) as iterator:
        for batch in iterator:
            yield int(np.count_nonzero(batch.targets_segmentation))


def alone_tokens(job: Job, method: str, at_once: int) -> TokenCounts:
    """Yields the tokens of one call after the other, of the tokenizer alone."""
    encode = getattr(job.tokenizer, method)
    for start in range(0, len(job.texts), at_once):
        yield sum(map(len, encode(job.texts[start : start + at_once], add_special_tokens=False)))


def turns(job: Job) -> Iterator[Turn]:
    """Returns all contenders."""
    for group, method in ((ALONE, "encode_batch"), (ALONE_FAST, "encode_batch_fast")):
        for name, at_once in (("256 documents a call", 256), ("one call", len(job.texts))):
            yield Turn(name, group, partial(alone_tokens, job, method, at_once))
    epoch = job.epoch()
    yield Turn("best_fit", OWN, partial(own_tokens, epoch))
    yield Turn("best_fit, prefetch", OWN, partial(own_tokens, epoch.prefetch()))
    given = {"length": LENGTH, "batch": BATCH}
    for setup in grain_texts.IN_PROCESS:
        yield Turn(setup.name, GRAIN, partial(setup.tokens, job.file, job.tokenizer, EOD_ID, **given))
    for setup in grain_texts.TWO_WORKERS:
        start = partial(setup.tokens, job.file, job.tokenizer, EOD_ID, **given)
        yield Turn(setup.name, GRAIN_WORKERS, start, _AHEAD_OF_WORKERS, _BATCHES_OF_WORKERS, in_process=False)


@dataclass(frozen=True)
class Comparison:
    """All measurements, and the best of each group: by the clock, and by processor time."""

    measured: Sequence[Measured]

    def quickest(self, group: str) -> Measured:
        """Returns the fastest of a group, by the clock."""
        return max(self._group(group), key=lambda found: np.median(found.clock))

    def cheapest(self, group: str) -> Measured:
        """Returns the one of a group that makes the most tokens in a second of processor time."""
        return max(self._group(group), key=lambda found: np.median(found.processor))

    def _group(self, group: str) -> list[Measured]:
        return [found for found in self.measured if found.turn.group == group]


def throughput_figures(comparison: Comparison) -> Iterator[Figure]:
    """Returns all rates, and this library's ratios."""
    for found in comparison.measured:
        name = f"{found.turn.group}: {found.turn.name}"
        yield Figure(name, float(np.median(found.clock)) / 1e6, "M tokens/s")
        if found.turn.in_process:
            yield Figure(f"{name}: by processor", float(np.median(found.processor)) / 1e6, "M tokens/s")
    for own in (found for found in comparison.measured if found.turn.group == OWN):
        name = f"{OWN}: {own.turn.name}"
        for group, goal in ((ALONE, GOAL), (ALONE_FAST, None), (GRAIN, None)):
            clock = own.clock_ratio(comparison.quickest(group))
            processor = own.processor_ratio(comparison.cheapest(group))
            yield Figure(f"{name}, to the best of {group}: by clock", clock, "x", goal)
            yield Figure(f"{name}, to the best of {group}: by processor", processor, "x", goal)
        clock = own.clock_ratio(comparison.quickest(GRAIN_WORKERS))
        yield Figure(f"{name}, to the best of {GRAIN_WORKERS}: by clock", clock, "x")


def restore_figures(job: Job, steps: int) -> Iterator[Figure]:
    """Measures from ``set_state`` to the first batch, in the middle of windows."""
    dataset = job.dataset()
    state = state_after(dataset, steps)
    for name, running in (("all shards", dataset), (f"one of {HOSTS} hosts", dataset.shard(0, HOSTS))):
        yield Figure(f"restore to first batch, {name}", restore_seconds(running, state, restores=3) * 1e3, "ms")


def print_throughput(comparison: Comparison, console: Console) -> None:
    """Prints rates, and ratios to the tokenizer alone."""
    columns = ("M tokens/s", "of encode_batch", "M tokens/s of CPU", "of encode_batch")
    title = f"Batches of {BATCH} × {LENGTH} tokens, against the best of the tokenizer alone"
    table = Table("pipeline", *(Column(column, justify="right") for column in columns), title=title)
    for found in comparison.measured:
        cells = [
            f"{np.median(found.clock) / 1e6:.2f}",
            f"{found.clock_ratio(comparison.quickest(ALONE)):.1%}",
        ]
        if found.turn.in_process:
            cells.append(f"{np.median(found.processor) / 1e6:.2f}")
            cells.append(f"{found.processor_ratio(comparison.cheapest(ALONE)):.1%}")
        table.add_row(f"{found.turn.group}: {found.turn.name}", *cells)
    console.print(table)


@click.command()
@click.option("--megabytes", default=8, show_default=True, help="Text, at most.")
@click.option("--rounds", default=5, show_default=True, help="How often each contender takes its turn.")
@click.option("--json-only", is_flag=True, help="Print the JSON lines alone.")
def main(megabytes: int, rounds: int, json_only: bool) -> None:
    """Compares pipelines that tokenize text."""
    # A user's setting stays. Without one, the bare tokenizer and all pipelines get the same threads.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    texts = read_texts(megabytes * 1_000_000)
    random.Random(7).shuffle(texts)
    with tempfile.TemporaryDirectory() as folder:
        job = Job(texts, write_texts(texts, Path(folder) / "texts.arecord"), train_tokenizer(texts))
        comparison = Comparison(measure(list(turns(job)), rounds, show_progress=not json_only))
        figures = [*throughput_figures(comparison), *restore_figures(job, steps=5)]
    if not json_only:
        console = Console(width=_REPORT_WIDTH)
        print_throughput(comparison, console)
        print_goals(figures, console)
    print_json(figures)


if __name__ == "__main__":
    main()
