"""Measures throughput in turns, by the clock and by processor time.

Processor time is the cost of a contender, however busy the machine is. The clock also shows how well it uses several
cores. Contenders take turns, and start again in each turn. A ratio is the median of the ratios of each round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from throughput import progress

TokenCounts = Generator[int, None, None]


@dataclass(frozen=True)
class Turn:
    """A contender that makes tokens.

    Attributes:
        name: Its name in the report.
        group: The contenders that it is ranked with.
        open: Starts it; the generator yields the tokens made since the last value.
        untimed: The number of these values before the clocks start.
        timed: The number of timed values; None for all until the end.
        in_process: Whether this process does all the work, so that its processor time is the cost.
    """

    name: str
    group: str
    open: Callable[[], TokenCounts]
    untimed: int = 0
    timed: int | None = None
    in_process: bool = True


@dataclass(frozen=True)
class Measured:
    """The measurements of a contender, in each round.

    Attributes:
        turn: The contender.
        clock: Tokens a second.
        processor: Tokens a second of processor time.
    """

    turn: Turn
    clock: tuple[float, ...]
    processor: tuple[float, ...]

    def clock_ratio(self, other: Measured) -> float:
        """Returns how many times as fast as another one it was."""
        return median(mine / others for mine, others in zip(self.clock, other.clock, strict=True))

    def processor_ratio(self, other: Measured) -> float:
        """Returns how many times as many tokens as another one it made in the same processor time."""
        return median(mine / others for mine, others in zip(self.processor, other.processor, strict=True))


def measure(turns: Sequence[Turn], rounds: int, *, show_progress: bool) -> list[Measured]:
    """Measures every contender in every round, after a round that does not count."""
    rates: list[list[tuple[float, float]]] = [[] for _ in turns]
    order = [number for _ in range(rounds + 1) for number in range(len(turns))]
    for number in progress(order, f"Timing {rounds} rounds", enabled=show_progress):
        rates[number].append(_rates(turns[number]))
    return [
        Measured(turn, tuple(clock for clock, _ in found[1:]), tuple(processor for _, processor in found[1:]))
        for turn, found in zip(turns, rates, strict=True)
    ]


def _rates(turn: Turn) -> tuple[float, float]:
    """Measures tokens a second, by the clock and by processor time."""
    running = turn.open()
    try:
        for _ in islice(running, turn.untimed):
            pass
        clock, processor = time.perf_counter(), time.process_time()
        tokens = sum(islice(running, turn.timed))
        return tokens / (time.perf_counter() - clock), tokens / (time.process_time() - processor)
    finally:
        running.close()
