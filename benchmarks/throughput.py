"""Measures the throughput of contenders that yield token batches, in turns.

The contenders take turns, so that a busy moment of a shared machine hits all of them alike. A ratio is the median of
the ratios of each round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

PADDING = 0

TokenArray = npt.NDArray[np.int32]
TokenBatches = Generator[TokenArray, None, None]
ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Contender:
    """A contender that yields token batches.

    Attributes:
        name: Its name in the report.
        group: The contenders that it is ranked with.
        open: Starts it; the generator yields the tokens of one batch after the other.
        batches: The number of timed batches in a round.
        ahead: The most batches that it may make in the background, in threads or processes, during the turns of
            others. So many are taken before the clock starts.
    """

    name: str
    group: str
    open: Callable[[], TokenBatches]
    batches: int
    ahead: int = 0


@dataclass(frozen=True)
class Result:
    """The measurements of a contender.

    Attributes:
        contender: The contender.
        filled: Share of the batches' cells that hold tokens.
        rates: Tokens a second in each round, without padding.
    """

    contender: Contender
    filled: float
    rates: tuple[float, ...]

    @property
    def rate(self) -> float:
        """The median of tokens a second."""
        return median(self.rates)

    def ratio_to(self, other: Result) -> float:
        """Returns how many times as fast as another one it was: the median over the rounds."""
        return median(mine / others for mine, others in zip(self.rates, other.rates, strict=True))


def measure(contenders: Sequence[Contender], rounds: int, *, show_progress: bool) -> list[Result]:
    """Measures every contender in every round.

    A first pass over a contender's batches is not timed: it warms up caches and workers, and counts tokens.

    Args:
        contenders: The contenders.
        rounds: The number of turns of each.
        show_progress: Whether to draw progress bars.

    Returns:
        A result for each contender, in their order.
    """
    running = [contender.open() for contender in contenders]
    try:
        pairs = list(zip(running, contenders, strict=True))
        counts = [
            _count(batches, contender.batches)
            for batches, contender in progress(pairs, "Warming up", enabled=show_progress)
        ]
        rates: list[list[float]] = [[] for _ in contenders]
        turns = [number for _ in range(rounds) for number in range(len(contenders))]
        for number in progress(turns, f"Timing {rounds} rounds", enabled=show_progress):
            seconds = _time(running[number], contenders[number])
            rates[number].append(counts[number].tokens / seconds)
    finally:
        for batches in running:
            batches.close()
    return [
        Result(contender, count.tokens / count.cells, tuple(rate))
        for contender, count, rate in zip(contenders, counts, rates, strict=True)
    ]


def fastest(results: Iterable[Result], group: str) -> Result:
    """Returns the fastest of a group."""
    members = [result for result in results if result.contender.group == group]
    return max(members, key=lambda result: result.rate)


def progress(items: Sequence[ItemT], description: str, *, enabled: bool) -> Iterable[ItemT]:
    """Shows a progress bar on the error stream, which leaves the output to the figures."""
    console = Console(stderr=True)
    return track(items, description, console=console, disable=not enabled, transient=True)


@dataclass(frozen=True)
class _Count:
    tokens: int
    cells: int


def _count(batches: TokenBatches, number: int) -> _Count:
    tokens = cells = 0
    for batch in islice(batches, number):
        tokens += int(np.count_nonzero(batch != PADDING))
        cells += batch.size
    return _Count(tokens, cells)


def _time(batches: TokenBatches, contender: Contender) -> float:
    """Measures the seconds of a contender's batches."""
    for _ in range(contender.ahead):
        next(batches)
    start = time.perf_counter()
    for _ in range(contender.batches):
        next(batches)
    return time.perf_counter() - start
