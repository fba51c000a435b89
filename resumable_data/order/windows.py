"""Where packing windows begin and end in a component's stream."""

from __future__ import annotations

from dataclasses import dataclass

from resumable_data.order.shards import WHOLE, Share


@dataclass(frozen=True)
class Windows:
    """Cuts a stream, or a logical shard's part of it, into packing windows.

    An epoch is cut into windows whose sizes differ by at most one; where half a window holds a whole epoch, a
    window is as many whole epochs as fit. Either way an epoch begins with a window, so that no window mixes the
    tail of one order with the head of the next. The first windows of several shards end at different places, so
    that later ones do not all have to be packed for the same batch.

    Attributes:
        size: Documents a window at most (W).
        epoch_size: Documents an epoch of the whole stream (n), or None where epochs have no meaning, as behind a mix.
        epochs: After so many epochs, and every so many, a window ends too; None for no such end.
        share: The shard whose documents are counted.

    >>> windows = Windows(size=4, epoch_size=10)
    >>> windows.stop(0), windows.stop(3), windows.stop(6), windows.stop(10)
    (3, 6, 10, 13)
    >>> Windows(size=4, epoch_size=2).stop(4), Windows(size=4, epoch_size=None).stop(4)
    (8, 8)
    >>> [Windows(size=4, epoch_size=None, share=Share(shard, 2)).stop(0) for shard in range(2)]
    [2, 4]
    """

    size: int
    epoch_size: int | None
    epochs: int | None = None
    share: Share = WHOLE

    def stop(self, start: int) -> int:
        """The place behind the window that begins at ``start``, counted in the shard's documents."""
        if self.epoch_size is None:
            return start + self.size if start else self._first
        epoch = self.share.position(start) // self.epoch_size
        if 2 * self.epoch_size <= self.size * self.share.shards:
            stop = self._begin(epoch + self.size * self.share.shards // self.epoch_size)
        else:
            stop = self._stop_within(start, self._begin(epoch), self._begin(epoch + 1))
        if self.epochs is not None:
            stop = min(stop, self._begin((epoch // self.epochs + 1) * self.epochs))
        return stop

    @property
    def _first(self) -> int:
        """Documents of the first window of all."""
        return -(-self.size * (self.share.shard + 1) // self.share.shards)

    def _begin(self, epoch: int) -> int:
        """The shard's first document of an epoch."""
        assert self.epoch_size is not None
        return self.share.count(epoch * self.epoch_size)

    def _stop_within(self, start: int, low: int, high: int) -> int:
        """The end of the window at ``start`` in an epoch that is documents ``low`` to ``high`` of the shard."""
        if low == 0 and self.share.shards > 1 and self._first < high:
            if start < self._first:
                return self._first
            low = self._first
        windows = -(-(high - low) // self.size)
        # Window k begins at low + k * (high - low) // windows; `start` lies in the last that begins at or before it.
        number = ((start - low + 1) * windows - 1) // (high - low)
        return low + (number + 1) * (high - low) // windows
