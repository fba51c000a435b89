"""The planner of a component whose source has random access."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import StateError
from resumable_data.order.occurrences import occurrences
from resumable_data.order.shards import Share
from resumable_data.packing.plan import DocumentPlan
from resumable_data.planning.planner import Counts, Extent, Saved, checked_integers
from resumable_data.reading.documents import Sizes
from resumable_data.state import At

if TYPE_CHECKING:
    from resumable_data.stages.component import Component


@dataclass(frozen=True)
class StreamCursor:
    """Where a component's stream is: in front of document ``position`` of ``epoch``, the next of its shard."""

    epoch: int
    position: int


@dataclass(frozen=True)
class Stream:
    """The documents of a component, epoch by epoch, or those of them that belong to a logical shard.

    Attributes:
        stage: The component.
        path: The component's path, which enters every key.
        reader: The component's number among the pipeline's readers.
        measure: From records to the sizes that plans state, or None where they state none.
        endless: Whether it goes on behind its last epoch, in a mix that waits for other components.
        share: The positions that are the shard's.
    """

    stage: Component
    path: str
    reader: int
    measure: Callable[[Int64Array], Sizes] | None
    endless: bool
    share: Share

    @property
    def epoch_size(self) -> int:
        """Documents an epoch, of all logical shards."""
        return self.stage.epoch_size

    @property
    def epochs(self) -> int | None:
        """Epochs that were asked for, or None where they are endless."""
        return self.stage.epochs

    @property
    def components(self) -> Mapping[int, str]:
        """Its own path."""
        return {self.reader: self.path}

    @property
    def dropping(self) -> Collection[int]:
        """Its own reader, if that may leave documents out."""
        return [self.reader] if self.stage.drops else []

    @property
    def asked(self) -> int | None:
        """Documents of all epochs that were asked for, or None where they are endless."""
        return None if self.epochs is None else self.share.count(self.epochs * self.epoch_size)

    def start(self) -> StreamCursor:
        """The cursor in front of the first document."""
        return self._cursor(0)

    def renewed(self, cursor: StreamCursor) -> StreamCursor:
        """The same cursor: nothing waits."""
        return cursor

    def position(self, cursor: StreamCursor) -> int:
        """Documents in front of the cursor."""
        return self.share.count(cursor.epoch * self.epoch_size + cursor.position)

    def take(self, cursor: StreamCursor, count: int) -> tuple[DocumentPlan, StreamCursor]:
        """The next ``count`` documents, or what is left, and the cursor behind them."""
        start = self.position(cursor)
        stop = start + count
        if self.asked is not None and not self.endless:
            stop = max(start, min(stop, self.asked))
        first, last = self.share.position(start), self.share.position(stop)
        records = [
            self._records(epoch, np.arange(begin, end, self.share.shards))
            for epoch, begin, end in _epochs_between(first, last, self.epoch_size, self.share.shards)
        ]
        record = np.concatenate(records) if records else np.zeros(0, np.int64)
        reader = np.full(len(record), self.reader)
        sizes = Sizes(np.zeros(len(record), np.int64)) if self.measure is None else self.measure(record)
        return DocumentPlan(reader, record, *sizes), self._cursor(stop)

    def _records(self, epoch: int, positions: Int64Array) -> Int64Array:
        """Records, or occurrences, that stand at int64[n] positions of an epoch."""
        records = self.stage.records(self.path, epoch, positions)
        return occurrences(epoch, records) if self.stage.epoch_dependent else records

    def _cursor(self, position: int) -> StreamCursor:
        """The cursor in front of the shard's document ``position``."""
        return StreamCursor(*divmod(self.share.position(position), self.epoch_size))

    def finished(self, cursor: StreamCursor) -> bool:
        """Whether every epoch that was asked for is over."""
        return self.asked is not None and self.position(cursor) >= self.asked

    def extent(self, cursor: StreamCursor) -> Extent | None:
        """Documents in front of the cursor, and of all epochs that were asked for."""
        return None if self.asked is None else Extent(self.position(cursor), self.asked)

    def encode(self, cursor: StreamCursor) -> dict[str, At]:
        """Epoch and position."""
        return {self.path: (cursor.epoch, cursor.position)}

    def continues(self, behind: StreamCursor, saved: Saved) -> bool:
        """Whether the end that the saved pipeline had lies behind a cursor."""
        before = saved.epochs_before.get(self.path)
        return before is None or self.position(behind) < self.share.count(before * self.epoch_size)

    def counts(self, cursor: StreamCursor) -> dict[str, Counts]:
        """Documents and epochs in front of the cursor."""
        documents = self.position(cursor)
        return {self.path: Counts(documents=documents, epochs=documents / self.epoch_size)}

    def decode(self, saved: Saved) -> StreamCursor:
        """The cursor of epoch and position; a StateError where the stream has no such place."""
        cursor = StreamCursor(*checked_integers(saved.at, self.path, 2))
        beyond = self.asked is not None and not self.endless and self.position(cursor) > self.asked
        place = cursor.epoch * self.epoch_size + cursor.position
        foreign = place % self.share.shards != self.share.shard
        if cursor.position >= self.epoch_size or beyond or foreign:
            raise StateError(
                f"component {self.path!r} has no document {cursor.position} of epoch {cursor.epoch}: it has "
                f"{self.epoch_size} documents an epoch and {self.stage.epochs} epochs"
            )
        return cursor


def _epochs_between(start: int, stop: int, epoch_size: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """Epoch, first position and end in it, for each epoch that has one of start, start + stride, … before stop."""
    while start < stop:
        epoch, first = divmod(start, epoch_size)
        last = min(epoch_size, first + stop - start)
        yield epoch, first, last
        start += -(-(last - first) // stride) * stride
