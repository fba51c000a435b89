"""A component's documents: the chain of stages from a source on, and the planner that it opens to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError, StateError
from resumable_data.order.occurrences import occurrences
from resumable_data.order.shards import Share
from resumable_data.packing.plan import DocumentPlan
from resumable_data.planning.planner import Counts, DocumentPlanner, Extent, Saved, checked_integers
from resumable_data.reading.dropped import as_ragged
from resumable_data.reading.field_reader import FieldReader
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.measured import Measured
from resumable_data.reading.reader import Sizes
from resumable_data.stages.stage import Named, Opening
from resumable_data.state import At, Settings


@dataclass(frozen=True)
class ChainStage:
    """A stage of a component, on top of the stages nearer to the source.

    It does what its parent does, but for the methods that it overrides: ``records`` decides the order,
    ``lengths`` and ``read`` what becomes of a document. All of them are functions of their arguments.

    Attributes:
        parent: The stage below.
    """

    parent: ChainStage

    @property
    def name(self) -> str:
        """What descriptions and errors call this kind of stage."""
        raise NotImplementedError

    def settings(self) -> Settings:
        """The settings that decide the data."""
        return {}

    def algorithms(self) -> dict[str, int]:
        """Versions of the algorithms that this stage uses."""
        return {}

    @property
    def component(self) -> str:
        """The name given with the source."""
        return self.parent.component

    @property
    def root(self) -> RootStage:
        """The stage of the source."""
        return self.parent.root

    @property
    def epoch_size(self) -> int:
        """Documents an epoch."""
        return self.parent.epoch_size

    @property
    def epochs(self) -> int | None:
        """Number of epochs, or None where they are endless."""
        return self.parent.epochs

    @property
    def shuffle_seed(self) -> int | None:
        """Seed of the shuffle above, or None where the order is the source's."""
        return self.parent.shuffle_seed

    @property
    def lengths_known(self) -> bool:
        """Whether token counts are known without reading."""
        return self.parent.lengths_known

    @property
    def random_access(self) -> bool:
        """Whether records can be read in any order."""
        return self.parent.random_access

    @property
    def drops(self) -> bool:
        """Whether documents may be left out, each of which keeps its position."""
        return self.parent.drops

    @property
    def varies(self) -> bool:
        """Whether what becomes of a record differs by epoch: plans then name occurrences instead of records."""
        return self.parent.varies

    def records(self, path: str, epoch: int, positions: Int64Array) -> Int64Array:
        """Records of the source that stand at int64[n] positions of an epoch of the component at ``path``."""
        return self.parent.records(path, epoch, positions)

    def lengths(self, records: Int64Array) -> Int64Array:
        """Tokens of the documents made from int64[n] records; -1 for one that is dropped."""
        return self.parent.lengths(records)

    def measure(self, records: Int64Array) -> Sizes:
        """The same for plans: what is known without reading was never cut."""
        return Sizes(np.asarray(self.lengths(records), np.int64))

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents made from int64[n] records; ``DROPPED`` for one that is left out."""
        return self.parent.read(records)

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same, as tokens."""
        return as_ragged(self.read(records), lambda place: self.name_of(int(records[place])))

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The same, where they are mappings, as tokens with the fields aligned.

        A stage that overrides it gives what this gives, or leaves more out.
        """
        return fields.aligned(self.read(records), lambda place: self.name_of(int(records[place])))

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        return self.parent.name_of(record)

    def chain(self) -> Iterator[ChainStage]:
        """The stages from the source to this one."""
        yield from self.parent.chain()
        yield self

    def open(self, opening: Opening, path: str) -> DocumentPlanner[Any]:
        """The planner of this component."""
        if path not in opening.numbers:
            opening.numbers[path] = len(opening.readers)
            documents = self if opening.fields is None else FieldReader(self, opening.fields)
            known = self.lengths_known or not opening.with_lengths
            opening.readers.append(documents if known else Measured(documents))
        for stage in self.chain():
            opening.describe(path, stage)
            opening.algorithms.update(stage.algorithms())
        reader = opening.numbers[path]
        measure = opening.readers[reader].measure if opening.with_lengths else None
        return self.root.planner(self, path, reader, measure, opening)


@dataclass(frozen=True)
class RootStage(ChainStage):
    """The stage of a source, where a chain begins.

    Attributes:
        component_name: The component's name where no mix gives it another.
        content: The source's fingerprint.
    """

    component_name: str
    content: str

    @property
    def name(self) -> str:
        """The stage's name."""
        return "source"

    @property
    def component(self) -> str:
        """The name given with the source."""
        return self.component_name

    @property
    def root(self) -> RootStage:
        """This stage."""
        return self

    @property
    def shuffle_seed(self) -> int | None:
        """None: the order is the source's."""
        return None

    @property
    def drops(self) -> bool:
        """False: every record is a document."""
        return False

    @property
    def varies(self) -> bool:
        """False."""
        return False

    def chain(self) -> Iterator[ChainStage]:
        """This stage."""
        yield self

    def planner(
        self,
        top: ChainStage,
        path: str,
        reader: int,
        measure: Callable[[Int64Array], Sizes] | None,
        opening: Opening,
    ) -> DocumentPlanner[Any]:
        """What plans the documents of the chain up to ``top``."""
        return Stream(top, path, reader, measure, opening.endless, opening.share)


@dataclass(frozen=True)
class StreamCursor:
    """Where a component's stream is: in front of document ``position`` of ``epoch``, the next of its shard."""

    epoch: int
    position: int


@dataclass(frozen=True)
class Stream:
    """The documents of a component, epoch by epoch, or those of them that belong to a logical shard.

    Attributes:
        stage: The last stage of the component.
        path: The component's path, which enters every key.
        reader: The component's number among the pipeline's readers.
        measure: From records to the sizes that plans state, or None where they state none.
        endless: Whether it goes on behind its last epoch, in a mix that waits for other components.
        share: The positions that are the shard's.
    """

    stage: ChainStage
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
        return DocumentPlan(reader, record, sizes.lengths, sizes.cut), self._cursor(stop)

    def _records(self, epoch: int, positions: Int64Array) -> Int64Array:
        """Records, or occurrences, that stand at int64[n] positions of an epoch."""
        records = self.stage.records(self.path, epoch, positions)
        return occurrences(epoch, records) if self.stage.varies else records

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


def check_component_name(name: str) -> None:
    """Raises PipelineError unless a component can have this name."""
    if not name or "/" in name or "*" in name:
        raise PipelineError(f"a component needs a name without / and *: from_source(source, name={name!r})")


def require_documents(stage: Named, method: str) -> ChainStage:
    """The stage, if it is part of a component's chain.

    Raises:
        PipelineError: It is not; the message says where ``method`` belongs.
    """
    if not isinstance(stage, ChainStage):
        raise PipelineError(f"{method} works on documents and comes before pack and batch, not after {stage.name}")
    return stage
