"""A pipeline over one source: its documents, rows and batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from property_tests.testing.oracle.batches import Fields, RowFormat, next_batch
from property_tests.testing.oracle.documents import Document, Row, epoch_order
from property_tests.testing.oracle.groups import Group, Take, next_group, sequence_of, takes_of_epoch
from property_tests.testing.oracle.packing import Packing


@dataclass(frozen=True)
class Oracle:
    """A pipeline. Its attributes are the arguments of the package's stages.

    ``documents`` are those of one epoch after the stages. The ``dropped`` ones keep their positions and have no
    tokens. ``known``: lengths are known before reading. ``dropping``: documents may be dropped.
    """

    documents: Sequence[Sequence[int]]
    path: str = "data"
    seed: int | None = None
    block: int | None = None
    epochs: int | None = 1
    strategy: str = "best_fit"
    window: int = 4096
    length: int = 8
    truncate: str | bool = False
    max_documents: int | None = None
    eod_id: int = 0
    pad_id: int = 0
    shift: str = "inputs"
    batch_size: int = 1
    drop_remainder: bool = True
    shards: int = 1
    known: bool = True
    dropping: bool = False
    dropped: frozenset[int] = frozenset()

    def stream(self) -> Iterator[Document]:
        """Yields all documents that are not dropped, epoch by epoch."""
        for epoch in self._epochs():
            yield from (document for document in self.epoch(epoch) if not document.dropped)

    def rows(self) -> Iterator[Row]:
        """Yields all rows, group by group."""
        for epoch in self._epochs():
            for group in self.groups(epoch):
                yield from self.rows_of(epoch, group)

    def batched_rows(self) -> Iterator[list[Row]]:
        """Yields the rows of every batch. Rows that fill up the last batch are empty."""
        rows = self.rows()
        while batch := next_batch(rows, self.batch_size, self.shards, drop_remainder=self.drop_remainder):
            yield batch

    def batches(self) -> Iterator[Fields]:
        """Yields all batches: the six fields of an ``LLMBatch`` as nested lists."""
        return map(self.format.batch, self.batched_rows())

    def dropped_before(self, rows: int) -> int:
        """Counts the documents dropped from the groups of the first rows, and from empty groups before these."""
        end = dropped = in_empty_groups = 0
        for epoch in self._epochs():
            for group in self.groups(epoch):
                size = len(self.rows_of(epoch, group))
                if size == 0:
                    in_empty_groups += group.dropped
                    continue
                if end < rows:
                    dropped, in_empty_groups = dropped + in_empty_groups, 0
                end += size
                if end > rows:
                    return dropped
                dropped += group.dropped
        return dropped

    @property
    def format(self) -> RowFormat:
        """Returns the settings that turn a row into six fields."""
        return RowFormat(self.length, self.eod_id, self.pad_id, self.shift)

    @property
    def packing(self) -> Packing:
        """Returns the packing of windows."""
        return Packing(self.strategy, self.length, self.truncate, self.max_documents)

    def epoch(self, epoch: int) -> list[Document]:
        """Returns the documents of an epoch, with the dropped ones."""
        return [
            Document(
                epoch,
                record,
                () if record in self.dropped else tuple(self.documents[record]),
                dropped=record in self.dropped,
                component=self.path,
            )
            for record in epoch_order(len(self.documents), self.seed, self.block, self.path, epoch)
        ]

    def groups(self, epoch: int) -> Iterator[Group]:
        """Yields the groups of an epoch, each when it begins."""
        documents, shards = self.epoch(epoch), self._shards
        takes = iter(
            [
                Take([documents[positions.start : positions.stop] for positions in take.windows], take.shards)
                for take in takes_of_epoch(len(documents), self.window, shards, epoch)
            ]
        )
        extends, before = self.dropping or not self.known, 0
        while group := next_group(takes, shards, self.packing, extends=extends, before=before):
            before = group.stop
            yield group

    def rows_of(self, epoch: int, group: Group) -> list[Row]:
        """Returns the rows of a group in their one order."""

        def rows_of(documents: Sequence[Document], window: int) -> list[Row]:
            if self.seed is None:
                return self.packing.rows(documents)
            return self.packing.shuffled_rows(documents, self.seed, self.path, epoch, window)

        return sequence_of(group, rows_of, known=self.known)

    @property
    def _shards(self) -> int:
        return 1 if self.known else self.shards

    def _epochs(self) -> Iterator[int]:
        return iter(count() if self.epochs is None else range(self.epochs))
