"""What processes send each other about the lengths of one group of windows: bytes and calls of each process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.processes.length_exchange import LengthExchange
from resumable_data.processes.published import Published


@dataclass
class Board:
    """The facts that all processes see. Here processes are threads."""

    facts: dict[str, bytes] = field(default_factory=dict[str, bytes])
    there: defaultdict[str, Event] = field(default_factory=lambda: defaultdict(Event))
    lock: Lock = field(default_factory=Lock)


@dataclass(eq=False)
class CountingCarrier:
    """The board as one process sees it.

    Attributes:
        board: The facts that all processes see.
        sent: Bytes of the facts that it published.
        received: Bytes of the facts that it got. A read of several facts gets all that are there.
        calls: The number of its calls to the board.
    """

    board: Board
    sent: int = 0
    received: int = 0
    calls: int = 0

    lasting = False

    def publish(self, group: str, facts: Mapping[str, bytes]) -> None:
        """Puts facts on the board."""
        self.sent += sum(map(len, facts.values()))
        self.calls += len(facts)
        with self.board.lock:
            self.board.facts.update(facts)
            for key in facts:
                self.board.there[key].set()

    def find(self, group: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Returns the facts that are there."""
        self.calls += 1
        with self.board.lock:
            there = dict(self.board.facts)
        self.received += sum(map(len, there.values()))
        return {key: there[key] for key in keys if key in there}

    def wait(self, group: str, key: str, seconds: float, closing: Event) -> bytes | None:
        """Waits for a fact."""
        self.calls += 1
        with self.board.lock:
            there = self.board.there[key]
        there.wait(seconds)
        fact = self.board.facts.get(key)
        self.received += len(fact or b"")
        return fact

    def forget(self, group: str, keys: Sequence[str]) -> None:
        """Removes facts."""


def exchange(lengths: Sequence[Int64Array], processes: int) -> list[CountingCarrier]:
    """Counts what each process moved for one group. The first processes measure a window each.

    Args:
        lengths: int64[n] for each window.
        processes: At least as many as windows.
    """
    board, published = Board(), Published()
    windows = range(len(lengths))
    carriers = [CountingCarrier(board) for _ in range(processes)]
    keys, counts = [f"window {window}" for window in windows], list(map(len, lengths))

    def share(process: int) -> None:
        own = LengthExchange(carriers[process], windows, process, 600, 600, published)
        found = own.share(keys, windows, lambda places: [(lengths[i], None) for i in places.tolist()], counts, "text")
        if any(not np.array_equal(one, expected) for (one, _), expected in zip(found, lengths, strict=True)):
            raise AssertionError(f"process {process} found other lengths")

    with ThreadPoolExecutor(processes) as threads:
        # The processes that measure come last, so that all others have to wait.
        list(threads.map(share, reversed(range(processes))))
    return carriers
