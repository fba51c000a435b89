"""How many documents are read together, where only reading shows how long that takes and how large they are."""

from __future__ import annotations

_MOST_SECONDS = 0.2
_MOST_BYTES = 2**24


class Pace:
    """Few documents at first, then twice as many, while they come quickly and are small.

    A read takes some time however many documents it has, which is worth more documents, and some time for each of
    them, which is not. It decides nothing but how much is read at once.

    Args:
        most: The most documents.

    Attributes:
        count: How many to read next.
    """

    def __init__(self, most: int) -> None:
        self.count = 1
        self._most = most
        self._before = 0, 0.0
        self._call = 0.0
        self._each = 0.0

    def note(self, count: int, seconds: float, size: int) -> None:
        """Hears how a read went.

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
        """Begins with one document again, so that those before one that failed are read without it."""
        self.count = 1

    def _learn(self, count: int, seconds: float) -> None:
        """Tells apart what the call takes and what each document does, by a read before of another size."""
        before_count, before_seconds = self._before
        if count == before_count:
            self._each = max(0.0, (seconds - self._call) / count)
        elif before_count:
            self._each = max(0.0, (seconds - before_seconds) / (count - before_count))
            self._call = max(0.0, seconds - count * self._each)
        else:
            self._call = seconds
        self._before = count, seconds
