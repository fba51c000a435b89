"""The bounds of the packing windows of an epoch, and which windows are measured together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LONG_EPOCH = 4
"""An epoch of so many groups or more is long."""


@dataclass(frozen=True)
class Take:
    """Consecutive windows that are measured together, at most one a logical shard.

    Attributes:
        bounds: Number of documents before each window, and before the end of the last one: int[n_windows + 1].
        shards: The logical shard of each window.
    """

    bounds: Sequence[int]
    shards: Sequence[int]

    def __len__(self) -> int:
        return len(self.shards)


@dataclass(frozen=True)
class EpochWindows:
    """Cuts every epoch of a component into packing windows; no window holds documents of two epochs.

    The sizes of the windows differ by at most one, but for those named below. If there are enough windows, their
    number is a multiple of the number of logical shards, so that every shard has the same number.

    The first batch of a run waits until all documents of a group are measured. So the first epoch begins with three
    smaller groups: a quarter of a group, a quarter, and a half. In a long epoch they have smaller windows, so that
    all shards measure some. In a short one they have fewer windows, because small ones leave more padding.

    Attributes:
        epoch_size: Documents an epoch (n).
        size: At most so many documents a window (W).
        shards: Logical shards (S).
        first: Whether it is the first epoch.

    >>> windows = EpochWindows(epoch_size=10, size=4, shards=1)
    >>> windows.count, [windows.begin(window) for window in range(4)]
    (3, [0, 3, 6, 10])
    >>> EpochWindows(epoch_size=100, size=4, shards=16).take(16)
    Take(bounds=(50, 53, 56, 59, 62, 65, 68, 71, 75, 78, 81, 84, 87, 90, 93, 96, 100), shards=range(0, 16))
    >>> short = EpochWindows(epoch_size=32, size=4, shards=4, first=True)
    >>> [short.take(first).bounds for first in (0, 1, 2)]
    [(0, 4), (4, 8), (8, 12, 16)]
    >>> long = EpochWindows(epoch_size=64, size=4, shards=4, first=True)
    >>> [long.take(first).bounds for first in (0, 4, 8)]
    [(0, 1, 2, 3, 4), (4, 5, 6, 7, 8), (8, 10, 12, 14, 16)]
    """

    epoch_size: int
    size: int
    shards: int
    first: bool = False

    @property
    def count(self) -> int:
        """The number of windows of an epoch."""
        return self._even + (2 * self.shards if self._has_small else 0)

    def begin(self, window: int) -> int:
        """Returns the position in the epoch at which a window begins; the end, for the window after the last."""
        if not self._has_small:
            return window * self.epoch_size // self._even
        # Two groups of windows of a quarter of the size, then one of halves, then whole ones.
        quarters = window + max(0, window - 2 * self.shards) + 2 * max(0, window - 3 * self.shards)
        return quarters * self.epoch_size // (4 * self._even)

    def take(self, first: int) -> Take:
        """Returns the windows from ``first`` on that are measured together, at most one a shard."""
        stop = min(next((stop for stop in self._stops if stop > first), first + self.shards), self.count)
        bounds = tuple(self.begin(window) for window in range(first, stop + 1))
        return Take(bounds, shards_of(stop - first, self.shards, between=first > 0 and stop in self._stops))

    def begins_group(self, window: int) -> bool:
        """Tells whether windows that are measured together begin at a window."""
        return window % self.shards == 0 or window in self._stops

    @property
    def _even(self) -> int:
        """The number of windows if all have the same size."""
        windows = -(-self.epoch_size // self.size)
        return windows if 2 * windows < self.shards else -(-windows // self.shards) * self.shards

    @property
    def _has_small(self) -> bool:
        """Whether the first groups have smaller windows."""
        return self.first and self.shards > 1 and self._even >= LONG_EPOCH * self.shards

    @property
    def _stops(self) -> Sequence[int]:
        """The windows at which the first groups end, if they have fewer windows than later ones."""
        if not self.first or self._has_small:
            return ()
        whole = min(self.shards, self._even)
        return whole // 4, whole // 2, whole


def documents_at(position: int, size: int, shards: int) -> int:
    """Returns how many documents without epochs, such as those of a mix, are measured together: at first fewer.

    Args:
        position: Number of documents before them.
        size: Documents a window at most.
        shards: Logical shards.

    >>> [documents_at(position, 8, 4) for position in (0, 8, 16, 32)]
    [8, 8, 16, 32]
    """
    whole = size * shards
    if shards == 1 or position >= whole:
        return whole
    return size * -(-shards // 4) if 2 * position < whole else size * -(-shards // 2)


def cut_evenly(documents: int, position: int, size: int, shards: int) -> Take:
    """Cuts documents without epochs, such as those of a mix, into windows, with bounds counted from the first.

    Args:
        documents: Number of documents, at most ``size`` for each shard.
        position: Number of documents before them.
        size: Documents a window at most.
        shards: Logical shards.

    >>> cut_evenly(10, 100, 4, 4)
    Take(bounds=(0, 3, 6, 10), shards=(0, 1, 2))
    """
    windows = -(-documents // size)
    bounds = tuple(i * documents // windows for i in range(windows + 1))
    return Take(bounds, shards_of(windows, shards, between=0 < position < size * shards))


def shards_of(windows: int, shards: int, *, between: bool = False) -> Sequence[int]:
    """Returns the logical shard of each window, with the windows spread evenly.

    Args:
        windows: Number of windows, from 1 to ``shards``.
        shards: Logical shards.
        between: Whether the windows belong to other shards than as many windows before them.

    >>> list(shards_of(2, 8)), list(shards_of(2, 8, between=True)), list(shards_of(4, 8, between=True))
    ([0, 4], [2, 6], [1, 3, 5, 7])
    """
    if windows == shards:
        return range(shards)
    return tuple(i * shards // windows + between * (shards // windows // 2) for i in range(windows))
