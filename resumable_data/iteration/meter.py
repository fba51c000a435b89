"""Counts what an iterator delivers, how long the trainer waits for it, and the time of its threads."""

from __future__ import annotations

from collections.abc import Callable

from resumable_data.iteration.stats import Stats
from resumable_data.timing import Clocks, Running, Work

OnBatch = Callable[[Stats], object]
"""A callback that gets the stats with each batch."""


class Meter:
    """Counts what one iterator does, and never affects it. Its threads know only their clocks.

    Args:
        prefetch: At most so many elements are kept ready.
        clocks: The clocks of the threads that load.

    Attributes:
        clocks: The clocks of the threads that load.
        calls_back: Whether a callback runs.
    """

    def __init__(self, prefetch: int, clocks: Clocks | None = None) -> None:
        self.clocks = clocks or Clocks()
        self.calls_back = False
        self._prefetch = prefetch
        self._clock = self.clocks.make()
        self._waiting = Running(self._clock, name="waiting for a batch")
        self._began: float | None = None
        self._batches: int = 0
        self._tokens: int = 0
        self._not_ready = 0
        self._callbacks: list[OnBatch] = []

    def waiting(self) -> Running:
        """Returns a context in which the trainer waits; for one thread at a time."""
        if self._began is None:
            self._began = self.clocks.now()
        return self._waiting

    def miss(self) -> None:
        """Counts an element that was not ready when it was asked for."""
        self._not_ready += 1

    def add(self, callback: OnBatch) -> None:
        """Adds a callback for each element delivered from now on."""
        self._callbacks.append(callback)

    def hand_over(self, tokens: int, ready: int) -> None:
        """Counts an element and its tokens, and calls the callbacks. If a callback fails, the element is not counted.

        Raises:
            RuntimeError: A callback raises StopIteration, which a loop would treat as the end of the data.
        """
        before = self._batches, self._tokens
        self._batches, self._tokens = self._batches + 1, self._tokens + tokens
        if not self._callbacks:
            return
        self.calls_back = True
        try:
            stats = self.stats(ready)
            for callback in self._callbacks:
                callback(stats)
        except StopIteration as error:
            self._batches, self._tokens = before
            raise RuntimeError("on_batch: the callback raises StopIteration") from error
        except BaseException:
            self._batches, self._tokens = before
            raise
        finally:
            self.calls_back = False

    def stats(self, ready: int) -> Stats:
        """Returns the stats; ``ready`` is the number of elements that are ready."""
        works = {work.name.lower(): self.clocks.seconds(work) for work in Work if work is not Work.NOTHING}
        return Stats(
            batches=self._batches,
            tokens=self._tokens,
            elapsed=0.0 if self._began is None else self.clocks.now() - self._began,
            waited=sum(self._clock.seconds),
            **works,
            not_ready=self._not_ready,
            ready=ready,
            prefetch=self._prefetch,
        )
