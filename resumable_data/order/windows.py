"""Where packing windows begin and end in a component's stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Windows:
    """Cuts the positions of a stream into packing windows.

    An epoch of ``epoch_size`` documents is cut into windows whose sizes differ by at most one; where half a
    window holds a whole epoch, a window is as many whole epochs as fit. Either way an epoch begins with a
    window, so that windows never mix the tail of one shuffle with the head of the next by accident.

    Attributes:
        size: Documents a window at most (W).
        epoch_size: Documents an epoch (n), or None where epochs have no meaning, as behind a mix.
        total: Documents in the whole stream, or None where it is endless.

    >>> windows = Windows(size=4, epoch_size=10, total=20)
    >>> [windows.bounds(number) for number in range(windows.count)]
    [(0, 3), (3, 6), (6, 10), (10, 13), (13, 16), (16, 20)]
    >>> Windows(size=4, epoch_size=2, total=6).bounds(1)
    (4, 6)
    """

    size: int
    epoch_size: int | None
    total: int | None

    @property
    def count(self) -> int | None:
        """Number of windows in the stream, or None where it is endless."""
        if self.total is None:
            return None
        if self.epoch_size is None or self._epochs_a_window:
            return -(-self.total // self._span)
        return self.total // self.epoch_size * self._windows_an_epoch

    def bounds(self, number: int) -> tuple[int, int]:
        """First position of window ``number`` and the first one behind it."""
        if self.epoch_size is not None and not self._epochs_a_window:
            epoch, within = divmod(number, self._windows_an_epoch)
            start = epoch * self.epoch_size
            return (
                start + within * self.epoch_size // self._windows_an_epoch,
                start + (within + 1) * self.epoch_size // self._windows_an_epoch,
            )
        stop = (number + 1) * self._span
        return number * self._span, stop if self.total is None else min(stop, self.total)

    @property
    def _windows_an_epoch(self) -> int:
        assert self.epoch_size is not None
        return -(-self.epoch_size // self.size)

    @property
    def _epochs_a_window(self) -> int:
        if self.epoch_size is None or 2 * self.epoch_size > self.size:
            return 0
        return self.size // self.epoch_size

    @property
    def _span(self) -> int:
        if self.epoch_size is None:
            return self.size
        return self._epochs_a_window * self.epoch_size
