"""Decides how many documents to read together, if only reading shows their time and size."""

from __future__ import annotations

_MOST_SECONDS = 0.2
_MOST_BYTES = 2**24


class Pace:
    """The number of documents a read: few at first, then twice as many while reads are fast and documents small.

    A read takes a fixed time, which more documents share, and a time for each document, which they do not. The pace
    never affects the data.

    Args:
        most: At most so many documents a read.

    Attributes:
        count: Number of documents to read next.
    """

    def __init__(self, most: int) -> None:
        self.count = 1
        self._most = most
        self._before = 0, 0.0
        self._call = 0.0
        self._each = 0.0

    def note(self, count: int, seconds: float, size: int) -> None:
        """Adapts the pace to a read.

        Args:
            count: Documents that were read.
            seconds: How long it took.
            size: Bytes of memory that they take.

        >>> pace, counts = Pace(256), []
        >>> for _ in range(9):  # documents of a MiB
        ...     counts.append(pace.count)
        ...     pace.note(pace.count, 0.001 * pace.count, 2**20 * pace.count)
        >>> counts
        [1, 2, 4, 8, 16, 16, 16, 16, 16]
        """
        self._learn(count, seconds)
        most = min(2 * count, self._most)
        if self._each > 0:
            most = min(most, int(_MOST_SECONDS / self._each))
        if size > 0:
            most = min(most, count * _MOST_BYTES // size)
        self.count = max(most, 1)

    def restart(self) -> None:
        """Begins with one document again, so that documents before a bad one are read without it."""
        self.count = 1

    def _learn(self, count: int, seconds: float) -> None:
        """Separates the time of the call from that of each document, by an earlier read of another size."""
        before_count, before_seconds = self._before
        if count == before_count:
            self._each = max(0.0, (seconds - self._call) / count)
        elif before_count:
            self._each = max(0.0, (seconds - before_seconds) / (count - before_count))
            self._call = max(0.0, seconds - count * self._each)
        else:
            self._call = seconds
        self._before = count, seconds
