"""Interleaved throughput measurements of things that yield token batches.

The contenders take turns, so that a busy moment of a shared machine hits all of them alike, and ratios are taken
within a round before their median is.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Generator, Sequence

import numpy as np
from rich.progress import track

PADDING = 0
WARM_UP_BATCHES = 4

TokenBatches = Generator[np.ndarray, None, None]


@dataclasses.dataclass(frozen=True)
class Contender:
    """Something that yields token batches.

    Attributes:
        name: What it is called in the report.
        group: The contenders it is ranked with.
        open: Starts it; the iterator yields the token array of one batch after the other.
        batches: How many batches are timed in a round.
    """

    name: str
    group: str
    open: Callable[[], TokenBatches]
    batches: int


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured of a contender.

    Attributes:
        contender: The contender.
        filled: Share of the batches' cells that hold tokens.
        rates: Tokens per second, padding not counted, in every round.
    """

    contender: Contender
    filled: float
    rates: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Median tokens per second."""
        return statistics.median(self.rates)

    def ratio_to(self, other: Result) -> float:
        """Returns how many times as fast as another one it was, the median over the rounds."""
        return statistics.median(a / b for a, b in zip(self.rates, other.rates, strict=True))


def measure(contenders: Sequence[Contender], rounds: int, *, show_progress: bool = True) -> list[Result]:
    """Measures every contender in every round.

    The first pass over a contender's batches is not timed: it warms up caches and workers, and counts the tokens.

    Args:
        contenders: What to measure.
        rounds: How often each takes its turn.
        show_progress: Whether to draw progress bars.

    Returns:
        A result for each contender, in order.
    """
    running = [contender.open() for contender in contenders]
    try:
        bar = track(
            list(zip(running, contenders, strict=True)),
            "Warming up     ",
            disable=not show_progress,
            transient=True,
        )
        counts = [_count(iterator, contender.batches) for iterator, contender in bar]
        rates: list[list[float]] = [[] for _ in contenders]
        turns = [number for _ in range(rounds) for number in range(len(contenders))]
        for number in track(turns, f"Timing {rounds} rounds", disable=not show_progress, transient=True):
            seconds = _time(running[number], contenders[number].batches)
            rates[number].append(counts[number].tokens / seconds)
    finally:
        for iterator in running:
            iterator.close()
    return [
        Result(contender, count.tokens / count.cells, tuple(rate))
        for contender, count, rate in zip(contenders, counts, rates, strict=True)
    ]


def fastest(results: Sequence[Result], group: str) -> Result:
    """Returns the fastest of a group."""
    return max(
        (result for result in results if result.contender.group == group), key=lambda result: result.rate
    )


@dataclasses.dataclass(frozen=True)
class _Count:
    tokens: int
    cells: int


def _count(iterator: TokenBatches, batches: int) -> _Count:
    tokens = cells = 0
    for batch in itertools.islice(iterator, batches):
        tokens += int(np.count_nonzero(batch != PADDING))
        cells += batch.size
    return _Count(tokens, cells)


def _time(iterator: TokenBatches, batches: int) -> float:
    for _ in range(WARM_UP_BATCHES):
        next(iterator)
    start = time.perf_counter()
    for _ in range(batches):
        next(iterator)
    return time.perf_counter() - start
