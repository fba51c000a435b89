"""The bounds of the packing windows of an epoch, and which windows are measured together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_GROUPS_TO_CUT = 4
"""An epoch of fewer groups keeps its first one whole: small windows leave more padding, which a short epoch feels."""


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

    The sizes of the windows differ by at most one. If there are enough of them, their number is a multiple of the
    number of logical shards, so that every shard has the same number.

    The first batch of a run waits until all documents of a group are measured. So the windows of the first group of
    the first epoch are cut into two, if the epoch has windows for many groups: the batch waits for half as many.

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
    >>> first = EpochWindows(epoch_size=64, size=8, shards=2, first=True)
    >>> [first.begin(window) for window in range(first.count + 1)]
    [0, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64]
    """

    epoch_size: int
    size: int
    shards: int
    first: bool = False

    @property
    def count(self) -> int:
        """The number of windows of an epoch."""
        return self._whole + self._cut

    def begin(self, window: int) -> int:
        """Returns the position in the epoch at which a window begins; the end, for the window after the last."""
        # in halves of windows, to which those of the first group are cut
        halves = 2 * window - min(window, 2 * self._cut)
        return halves * self.epoch_size // (2 * self._whole)

    @property
    def _whole(self) -> int:
        """The number of windows before any is cut into two."""
        windows = -(-self.epoch_size // self.size)
        return windows if 2 * windows < self.shards else -(-windows // self.shards) * self.shards

    @property
    def _cut(self) -> int:
        """The number of windows that are cut into two: those of the first group, or none."""
        cut = self.first and self.shards > 1 and self._whole >= LEAST_GROUPS_TO_CUT * self.shards
        return self.shards if cut else 0

    def take(self, first: int) -> Take:
        """Returns the windows from ``first`` on that are measured together: one a shard, if the epoch has so many."""
        stop = min(first + self.shards, self.count)
        bounds = tuple(self.begin(window) for window in range(first, stop + 1))
        return Take(bounds, shards_of(stop - first, self.shards))


def window_at(position: int, size: int, shards: int) -> int:
    """Returns the most documents of a window at a place in documents without epochs: fewer in the first group.

    Args:
        position: Number of documents before the place.
        size: Documents a window at most.
        shards: Logical shards.

    >>> [window_at(position, 8, 2) for position in (0, 8, 16)]
    [4, 4, 8]
    """
    return -(-size // 2) if shards > 1 and position < size * shards else size


def cut_evenly(documents: int, size: int, shards: int) -> Take:
    """Cuts documents without epochs, such as those of a mix, into windows, with bounds counted from the first.

    Args:
        documents: Number of documents, at most ``size`` for each shard.
        size: Documents a window at most.
        shards: Logical shards.

    >>> cut_evenly(10, 4, 4)
    Take(bounds=(0, 3, 6, 10), shards=(0, 1, 2))
    """
    windows = -(-documents // size)
    return Take(tuple(i * documents // windows for i in range(windows + 1)), shards_of(windows, shards))


def shards_of(windows: int, shards: int) -> Sequence[int]:
    """Returns the logical shard of each window, with the windows spread evenly.

    >>> list(shards_of(2, 8))
    [0, 4]
    """
    return range(shards) if windows == shards else tuple(i * shards // windows for i in range(windows))
