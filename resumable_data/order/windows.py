"""Where packing windows begin and end in a component's stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Windows:
    """Cuts the positions of a stream into packing windows.

    An epoch of ``epoch_size`` documents is cut into windows whose sizes differ by at most one; where half a
    window holds a whole epoch, a window is as many whole epochs as fit. Either way an epoch begins with a
    window, so that no window mixes the tail of one order with the head of the next.

    Attributes:
        size: Documents a window at most (W).
        epoch_size: Documents an epoch (n), or None where epochs have no meaning, as behind a mix.

    >>> windows = Windows(size=4, epoch_size=10)
    >>> windows.stop(0), windows.stop(3), windows.stop(6), windows.stop(10)
    (3, 6, 10, 13)
    >>> Windows(size=4, epoch_size=2).stop(4), Windows(size=4, epoch_size=None).stop(4)
    (8, 8)
    """

    size: int
    epoch_size: int | None

    def stop(self, start: int) -> int:
        """The position behind the window that begins at ``start``; the stream may end before it."""
        if self.epoch_size is None:
            return start + self.size
        epoch, within = divmod(start, self.epoch_size)
        if 2 * self.epoch_size <= self.size:
            return (epoch + self.size // self.epoch_size) * self.epoch_size
        windows = -(-self.epoch_size // self.size)
        # Window k of an epoch begins at k * n // windows; `within` lies in the last that begins at or before it.
        number = ((within + 1) * windows - 1) // self.epoch_size
        return epoch * self.epoch_size + (number + 1) * self.epoch_size // windows
