"""The share of padding in the batches of an evaluation, by where requests are sorted by length.

The requests are like those of a suite of six tasks, task after task, with log-normal lengths around a mean for each
task. Each of H processes gets one stretch of them, in batches of 512 rows over all processes. The length of a batch
is the largest length of all processes, as a multiple of 64. It compares:

- nothing sorted: each process takes its stretch as it is;
- sorted by each process: the longest of each stretch first, as in the original;
- sorted over all processes: ``lmeval_preprocessing_pipeline``. Its batches are made, and their cells counted.

Nothing is timed, so the figures are the same on any machine. Prints the tables of docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.interfaces.lmeval_pipeline.batches import RequestBatches
from resumable_data.interfaces.lmeval_pipeline.rows import RequestRows
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens

BATCH, MULTIPLE, SEED = 512, 64, 7
HOSTS = (1, 4, 16, 64)
BAR = 50

# By task: requests, mean length in tokens, sigma of the logarithm.
TASKS = {
    "questions with four answers": (9_500, 35, 0.4),
    "sentences with four ends": (20_000, 95, 0.35),
    "two answers": (3_700, 40, 0.5),
    "a word left out": (2_500, 28, 0.25),
    "the last word": (5_200, 90, 0.2),
    "questions after five examples": (8_000, 650, 0.5),
}


@dataclass(frozen=True)
class Layout:
    """Batches of rows, as lengths.

    Attributes:
        widths: int64[batches], the length of all rows of a batch.
        cells: Cells of all batches.
        tokens: Cells that hold a token.
    """

    widths: Int64Array
    cells: int
    tokens: int

    @property
    def padding(self) -> float:
        """The share of the cells that hold padding."""
        return 1 - self.tokens / self.cells

    def __str__(self) -> str:
        return f"{100 * self.padding:.1f} % of {self.cells / 1e6:.1f} M"


def draw_lengths() -> Int64Array:
    """Draws the lengths of all requests, task after task: int64[requests]."""
    random = np.random.default_rng(SEED)
    parts = [random.lognormal(np.log(mean) - sigma**2 / 2, sigma, count) for count, mean, sigma in TASKS.values()]
    return np.maximum(1, np.concatenate(parts)).astype(np.int64)


def by_host(lengths: Int64Array, hosts: int, *, longest_first: bool) -> Layout:
    """Makes the batches of processes that have a stretch of the requests each."""
    local = BATCH // hosts
    per_host = -(-len(lengths) // (hosts * local)) * local
    stretches = [np.pad(part, (0, per_host - len(part)), constant_values=1) for part in _stretches(lengths, hosts)]
    if longest_first:
        stretches = [-np.sort(-stretch) for stretch in stretches]
    # largest: int64[hosts, batches], the largest length of each process's part of each batch
    largest = np.stack([stretch.reshape(-1, local).max(1) for stretch in stretches])
    widths = -(-largest.max(0) // MULTIPLE) * MULTIPLE
    return Layout(widths, int(widths.sum()) * BATCH, int(lengths.sum()))


def _stretches(lengths: Int64Array, hosts: int) -> Iterator[Int64Array]:
    size = -(-len(lengths) // hosts)
    return (lengths[host * size : (host + 1) * size] for host in range(hosts))


def over_all(lengths: Int64Array, hosts: int) -> Layout:
    """Counts the batches of the pipeline, made on each process."""
    text = np.zeros(int(lengths.max()), np.int32)
    texts = [text[:0], *(text[:length] for length in lengths)]
    count = len(lengths)
    rows = RequestRows(RequestTokens(0, texts, [0] * count, list(range(1, count + 1))), None)
    widths, tokens = [], 0
    for host in range(hosts):
        batches = RequestBatches(
            rows, global_batch_size=BATCH, host_index=host, host_count=hosts, padding_multiple=MULTIPLE
        )
        found = [(batch.inputs.shape[1], int((batch.inputs_segmentation != 0).sum())) for batch in batches]
        widths.append([width for width, _ in found])
        tokens += sum(count for _, count in found)
    if any(of_host != widths[0] for of_host in widths):
        raise AssertionError("hosts have batches of different lengths")
    return Layout(np.array(widths[0]), sum(widths[0]) * BATCH, tokens)


def draw_bars(name: str, layout: Layout) -> None:
    """Prints the length of every sixth batch as a bar."""
    print(f"\n{name}, in {len(set(layout.widths.tolist()))} different lengths:")
    for batch in range(0, len(layout.widths), 6):
        width = int(layout.widths[batch])
        print(f"batch {batch:3} {'█' * round(BAR * width / layout.widths.max()):{BAR}} {width:5,}")


def main() -> None:
    """Prints the tables."""
    lengths = draw_lengths()
    count = len(lengths)
    print(f"{count:,} requests, {int(lengths.sum()):,} tokens, {-(-count // BATCH)} batches\n")
    print("| hosts | nothing sorted | sorted by each host | sorted over all hosts |")
    print("|---|---|---|---|")
    everywhere = over_all(lengths, 1)
    for hosts in HOSTS:
        plain, each = (by_host(lengths, hosts, longest_first=first) for first in (False, True))
        # The batches of four processes show that the number of processes does not change them.
        found = over_all(lengths, hosts) if hosts == 4 else everywhere
        print(f"| {hosts} | {plain} | {each} | {found} |")
    each = by_host(lengths, 16, longest_first=True)
    draw_bars("Sorted by each of 16 hosts", each)
    draw_bars("Sorted over all hosts", everywhere)


if __name__ == "__main__":
    main()
