"""The cost of exact epochs if lengths are known only by reading: the tables of the design, measured.

Documents have log-normal lengths (mean 540 tokens). As with text, their source does not know them. They are packed to
rows of 2,048 tokens with the default settings. Nothing is timed, so the figures are the same on any machine:

- The rows that one epoch in batches of 64 rows delivers, and their share of padding. The goal: less than one batch is
  left out, and at most 1.5 % padding from 1,000 documents on.
- The tokens that are read a second time, by the number of processes: the mean of three corpora. The goal: at most
  1.5 times the result of a trial before this was written. The trial did not say how long its documents may be, so
  there are two tables. A document of at most a row moves with its row. Of a document of up to 20,000 tokens some rows
  may move alone, but it counts whole. The last lines run real iterators in threads, and count the reads of
  their sources.
- The size of a state, and whether it is the same on 64 processes.
- What a thousand processes send each other about the lengths of a group.

Prints a table of the figures with a goal, and a JSON line for each figure.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from statistics import mean

import click
import numpy as np
from exchanged_lengths import exchange
from figures import Figure, Goal, print_goals, print_json
from planned_batches import delivered, shares_read_twice
from read_only_lengths import LENGTH, LONGEST, SEED, ReadOnlyLengths, log_normal, rows, text
from rich.console import Console

import resumable_data as rd
from resumable_data.arrays import Int64Array

BATCH = 64
SIZES = (1_000, 5_000, 20_000, 100_000)
MOST_PADDING = Goal(1.5)
OF_TRIAL = 1.5
DOCUMENTS = 100_000
ROWS_OF_A_MIX = 100_000
CORPORA = (SEED, SEED + 100, SEED + 200)
_REPORT_WIDTH = 130


@dataclass(frozen=True)
class ReadTwice:
    """A pipeline for which the tokens read by several processes are counted.

    Attributes:
        name: Its name in the report.
        batch: Rows a batch.
        trial: By the number of processes, the result of the trial in percent.
        weights: The weights of the components of a mix of rows; None for a single component.
        in_order: Whether the documents are sorted by length, and not shuffled.
        shards: Logical shards.
    """

    name: str
    batch: int
    trial: Mapping[int, float]
    weights: Sequence[int] | None = None
    in_order: bool = False
    shards: int = 64

    def dataset(self, seed: int, longest: int) -> rd.Dataset[rd.LLMBatch]:
        """Makes batches: an epoch of the documents, or an endless mix."""
        if self.weights is None:
            lengths = log_normal(DOCUMENTS, seed, longest)
            found = rows(text(np.sort(lengths), shuffled=False) if self.in_order else text(lengths))
        else:
            names = [f"c{number}" for number in range(len(self.weights))]
            parts = {
                name: rows(text(log_normal(DOCUMENTS, seed + number, longest)).repeat())
                for number, name in enumerate(names)
            }
            found = rd.mix(parts, dict(zip(names, self.weights, strict=True)))
        return found.batch(self.batch, shards=self.shards)

    def figures(self, longest: int) -> Iterator[Figure]:
        """Returns the share for each number of processes, for documents of at most ``longest`` tokens."""
        batches = None if self.weights is None else ROWS_OF_A_MIX // self.batch
        of_corpora = [
            shares_read_twice(self.dataset(seed, longest), self.shards, list(self.trial), batches) for seed in CORPORA
        ]
        for (processes, trial), shares in zip(self.trial.items(), zip(*of_corpora, strict=True), strict=True):
            what = f"{self.name}, up to {longest:,} tokens, G={self.batch} S={self.shards}"
            name = f"read twice: {what}, {processes} processes"
            yield Figure(name, 100 * mean(shares), "%", Goal(round(OF_TRIAL * trial, 2)))


READ_TWICE = (
    ReadTwice("100,000 documents", 64, {2: 0.4, 8: 1.4, 64: 4.3}),
    ReadTwice("100,000 documents", 32, {2: 0.3, 8: 1.4, 32: 3.0}),
    ReadTwice("100,000 documents", 96, {3: 0.9, 6: 1.3, 12: 2.0, 24: 3.1, 48: 4.3}, shards=48),
    ReadTwice("mix of rows 3:1", 64, {2: 0.3, 8: 1.2, 64: 25}, (3, 1)),
    ReadTwice("mix of rows 3:1", 512, {2: 0.3, 8: 1.2, 64: 3.8}, (3, 1)),
    ReadTwice("mix of rows 70:25:5", 64, {2: 1.0, 8: 4.4, 64: 28}, (70, 25, 5)),
    ReadTwice("mix of rows 70:25:5", 256, {2: 0.5, 8: 2.2, 64: 7.6}, (70, 25, 5)),
    ReadTwice("mix of rows of 10 components", 512, {2: 0.3, 8: 1.4, 64: 8.5}, (31, 7, 22, 13, 5, 17, 3, 11, 19, 2)),
    ReadTwice("sorted by length, not shuffled", 64, {2: 5.1, 8: 5.7, 64: 5.9}, in_order=True),
)


def epoch_figures() -> Iterator[Figure]:
    """Counts what one epoch delivers."""
    for documents in SIZES:
        yield from _epoch(f"{documents:,} documents", rows(text(log_normal(documents))), MOST_PADDING)
    few = text(log_normal(10 * DOCUMENTS)).filter(_keeps_one_percent)
    yield from _epoch("1 % of 1,000,000 documents", rows(few), Goal(9))


def _epoch(name: str, dataset: rd.Dataset[rd.LLMBatch], most_padding: Goal) -> Iterator[Figure]:
    found = delivered(dataset.batch(BATCH, drop_remainder=False), LENGTH)
    full = 100 * found.tokens_of_full_batches / found.tokens
    yield Figure(f"{name}: tokens delivered with drop_remainder=True", full, "%")
    yield Figure(f"{name}: rows that fill no batch", found.rows_left, "rows", Goal(BATCH - 1))
    last = -found.rows_left % BATCH
    padding = _padding_of_rows(found.padding, found.tokens, last)
    yield Figure(f"{name}: padding of the rows", 100 * padding, "%", most_padding)
    yield Figure(f"{name}: padding, the last batch filled up", 100 * found.padding, "%")


def _padding_of_rows(padding: float, tokens: int, empty_rows: int) -> float:
    """Returns the padding without the rows that fill up the last batch."""
    cells = tokens / (1 - padding) - empty_rows * LENGTH
    return 1 - tokens / cells


def _keeps_one_percent(document: Int64Array) -> bool:
    """Keeps about every hundredth document, by the last digits of its length, which are as good as random."""
    return len(document) % 100 == 37


def state_figures() -> Iterator[Figure]:
    """Returns the bytes of a state, and on how many of 64 processes it is the same."""
    one = rows(text(log_normal(2_000)).repeat())
    three = {name: rows(text(log_normal(2_000, SEED + i)).repeat()) for i, name in enumerate("abc")}
    for name, dataset in (
        ("one component", one),
        ("mix of rows of three", rd.mix(three, {"a": 70, "b": 25, "c": 5})),
    ):
        states = [_state(dataset.batch(BATCH).shard(process, BATCH)) for process in range(BATCH)]
        yield Figure(f"state, {name}, 64 shards", len(states[0].encode()), "bytes")
        yield Figure(f"state, {name}: different ones on 64 processes", len(set(states)), "states", Goal(1))


def _state(dataset: rd.Dataset[rd.LLMBatch]) -> str:
    with iter(dataset) as iterator:
        for _ in islice(iterator, 3):
            pass
        return json.dumps(iterator.get_state())


def exchange_figures(processes: int) -> Iterator[Figure]:
    """Counts what each process moves for one group."""
    lengths = np.split(log_normal(64 * 256), 64)
    carriers = exchange(lengths, processes)
    facts = sum(carrier.sent for carrier in carriers)
    name = f"lengths of a group, {processes} processes"
    yield Figure(f"{name}: published by all", facts / 1e3, "kB", Goal(40))
    received = max(carrier.received for carrier in carriers)
    # A waiting process reads everything after 1, 2, 4, … 32 waits, and before the first.
    yield Figure(f"{name}: received by one, at most", received / 1e3, "kB", Goal(8 * 40))
    yield Figure(
        f"{name}: calls of one, at most", max(carrier.calls for carrier in carriers), "calls", Goal(1 + 64 + 7)
    )


def real_figures(documents: int = 20_000) -> Iterator[Figure]:
    """Counts the tokens that real iterators read twice. They have their own rows and share a directory of lengths."""
    for processes in (2, 8):
        lengths = log_normal(documents)
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(processes) as threads:
            datasets: list[rd.Dataset[rd.LLMBatch]] = []
            sources: list[ReadOnlyLengths] = []
            for process in range(processes):
                sources.append(ReadOnlyLengths(lengths))
                shuffled = rd.Dataset.from_source(sources[-1], name="text").shuffle(seed=SEED)
                batches = rows(shuffled).batch(BATCH).measure(directory=folder)
                datasets.append(batches.shard(process, processes))
            list(threads.map(lambda dataset: sum(1 for _ in dataset), datasets))
        read, planned = sum(source.tokens_read for source in sources), int(lengths.sum())
        (share,) = shares_read_twice(rows(text(lengths)).batch(BATCH), 64, [processes])
        name = f"read twice: {documents:,} documents, {processes} real iterators"
        yield Figure(name, 100 * (read / planned - 1), "%")
        yield Figure(f"{name}, by their plans", 100 * share, "%")


@click.command()
@click.option("--processes", default=1_000, show_default=True, help="How many of them exchange lengths.")
@click.option("--json-only", is_flag=True, help="Print the JSON lines alone.")
def main(processes: int, json_only: bool) -> None:
    """Measures the cost of one sequence of rows."""
    figures = list(epoch_figures())
    figures += [figure for longest in (LENGTH, LONGEST) for case in READ_TWICE for figure in case.figures(longest)]
    figures += real_figures()
    figures += [*state_figures(), *exchange_figures(processes)]
    if not json_only:
        print_goals(figures, Console(width=_REPORT_WIDTH))
    print_json(figures)


if __name__ == "__main__":
    main()
