"""Plans a component's documents: positions of an endless stream, epoch after epoch, in a given order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from resumable_data.arrays import Int64Array
from resumable_data.errors import StateError
from resumable_data.order.epoch_sizes import EpochSizes
from resumable_data.packing.plan import DocumentPlan, concatenate_documents
from resumable_data.planning.integers import EPOCH_POSITION, named_integers
from resumable_data.planning.planner import Counts, DocumentPlanner, Extent, Saved
from resumable_data.state import At

Order = Callable[[int, Int64Array], Int64Array]
"""From an epoch and int64[n] positions in it to int64[n] records, or occurrences."""


@dataclass(frozen=True)
class StreamCursor:
    """A place in a component's stream: before document ``position`` of ``epoch``."""

    epoch: int
    position: int


@dataclass(frozen=True)
class DocumentStream(DocumentPlanner[StreamCursor]):
    """The documents of a component, epoch by epoch.

    Attributes:
        path: The component's path.
        reader: The component's number among the pipeline's readers.
        sizes: Documents of each epoch.
        epochs: Number of epochs that were asked for; None if they are endless.
        drops: Whether documents may be dropped.
        order: From an epoch and int64[n] positions in it to int64[n] records, or occurrences.
        endless: Whether the stream goes on after its last epoch, in a mix that waits for other components.
        with_epochs: Whether plans hold the epoch of each document.

    >>> stream = DocumentStream("web", 0, EpochSizes(3), epochs=2, order=lambda epoch, positions: 2 - positions)
    >>> plan, after = stream.take(stream.start(), 4)
    >>> plan.record.tolist(), after
    ([2, 1, 0, 2], StreamCursor(epoch=1, position=1))
    """

    path: str
    reader: int
    sizes: EpochSizes
    epochs: int | None
    order: Order
    drops: bool = False
    endless: bool = False
    with_epochs: bool = False

    @property
    @override
    def components(self) -> Mapping[int, str]:
        return {self.reader: self.path}

    @property
    @override
    def dropping(self) -> Collection[int]:
        return [self.reader] if self.drops else []

    @property
    @override
    def most_dropped(self) -> int:
        return 2 * self.sizes.size if self.asked is None else self.asked

    @override
    def epoch(self, cursor: StreamCursor) -> int | None:
        return cursor.epoch

    @property
    def asked(self) -> int | None:
        """The number of documents of all epochs that were asked for; None if they are endless."""
        return None if self.epochs is None else self.sizes.begin(self.epochs)

    @override
    def start(self) -> StreamCursor:
        return self._cursor(0)

    @override
    def renewed(self, cursor: StreamCursor) -> StreamCursor:
        return cursor

    @override
    def position(self, cursor: StreamCursor) -> int:
        return self.sizes.begin(cursor.epoch) + cursor.position

    @override
    def take(self, cursor: StreamCursor, count: int) -> tuple[DocumentPlan, StreamCursor]:
        start = self.position(cursor)
        stop = start + count
        if self.asked is not None and not self.endless:
            stop = max(start, min(stop, self.asked))
        plans = [
            self.plan(epoch, np.arange(begin, end))
            for epoch, begin, end in _epochs_between(cursor, stop - start, self.sizes)
        ]
        return concatenate_documents(plans), self._cursor(stop)

    def plan(self, epoch: int, positions: Int64Array) -> DocumentPlan:
        """Plans the documents at int64[n] positions of an epoch."""
        epochs = np.full(len(positions), epoch) if self.with_epochs else None
        return DocumentPlan(np.full(len(positions), self.reader), self.order(epoch, positions), epochs)

    def ends_before(self, epoch: int) -> bool:
        """Tells whether the documents end before an epoch, counted from 0."""
        return self.epochs is not None and not self.endless and epoch >= self.epochs

    def _cursor(self, position: int) -> StreamCursor:
        """Returns the cursor before the document at a position of the stream."""
        return StreamCursor(*self.sizes.find(position))

    @override
    def finished(self, cursor: StreamCursor) -> bool:
        return self.asked is not None and self.position(cursor) >= self.asked

    @override
    def extent(self, cursor: StreamCursor) -> Extent | None:
        return None if self.asked is None else Extent(self.position(cursor), self.asked)

    @override
    def encode(self, cursor: StreamCursor) -> dict[str, At]:
        return {self.path: (cursor.epoch, cursor.position)}

    @override
    def continues(self, after: StreamCursor, saved: Saved) -> bool:
        before = saved.epochs_before.get(self.path)
        return before is None or self.position(after) < self.sizes.begin(before)

    @override
    def counts(self, cursor: StreamCursor) -> dict[str, Counts]:
        epochs = cursor.epoch + cursor.position / self.sizes.of(cursor.epoch)
        return {self.path: Counts(documents=self.position(cursor), epochs=epochs)}

    @override
    def next_epochs(self, cursor: StreamCursor) -> dict[str, int | None]:
        epoch = cursor.epoch + (cursor.position > 0)
        return {self.path: None if self.ends_before(epoch) else epoch}

    @override
    def decode(self, saved: Saved) -> StreamCursor:
        cursor = StreamCursor(*named_integers(saved.at, self.path, EPOCH_POSITION))
        beyond = self.asked is not None and not self.endless and self.position(cursor) > self.asked
        if cursor.position >= (size := self.sizes.of(cursor.epoch)) or beyond:
            raise StateError(
                f"component {self.path!r} has no document {cursor.position} of epoch {cursor.epoch}: it has "
                f"{size} documents an epoch and {self.epochs} epochs"
            )
        return cursor


def _epochs_between(start: StreamCursor, count: int, sizes: EpochSizes) -> Iterator[tuple[int, int, int]]:
    """Yields epoch, first position and end in it, for each epoch of the next ``count`` documents."""
    epoch, first = start.epoch, start.position
    while count > 0:
        last = min(sizes.of(epoch), first + count)
        yield epoch, first, last
        count -= last - first
        epoch, first = epoch + 1, 0
