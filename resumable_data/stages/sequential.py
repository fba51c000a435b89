"""The stage of a source that is read in its own order alone, and its planner."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError, StateError
from resumable_data.packing.plan import DocumentPlan
from resumable_data.planning.planner import Counts, Extent, Saved
from resumable_data.reading.documents import Documents, Sizes
from resumable_data.reading.fields import TokenFields
from resumable_data.sources.retries import Retries
from resumable_data.sources.sequential import SequentialSource, Tape
from resumable_data.stages.stage import check_component_name
from resumable_data.state import At, Settings

_BEGINNING = "null"


@dataclass(frozen=True)
class SequentialStage:
    """Records of a sequential source, once.

    Attributes:
        component: The component's name.
        content: The source's fingerprint.
        source: The records.
        tape: The records read of late.
    """

    component: str
    content: str
    source: SequentialSource
    tape: Tape = field(compare=False)

    @classmethod
    def of(cls, source: SequentialSource, name: str, retries: Retries) -> SequentialStage:
        """The stage of a source.

        Raises:
            PipelineError: No component can have this name.
        """
        check_component_name(name)
        return cls(name, source.fingerprint(), source, Tape(source, retries))

    @property
    def name(self) -> str:
        """The stage's name."""
        return "source"

    def settings(self) -> Settings:
        """The fingerprint, and that it is sequential."""
        return {"content": self.content, "sequential": True}

    def algorithms(self) -> dict[str, int]:
        """None."""
        return {}

    @property
    def epoch_size(self) -> int:
        """Nobody knows; what asks for it needs random access."""
        raise PipelineError(f"component {self.component!r} is a stream without random access, of no known size")

    @property
    def random_access(self) -> bool:
        """False."""
        return False

    @property
    def epochs(self) -> int | None:
        """None: where the stream ends shows when it does."""
        return None

    @property
    def lengths_known(self) -> bool:
        """False."""
        return False

    def lengths(self, records: Int64Array) -> Int64Array:
        """Never asked for: they show when records are read."""
        raise PipelineError(f"component {self.component!r} is a stream, of no known lengths")

    def read(self, records: Int64Array) -> Documents:
        """Records that were planned of late."""
        return Documents([self.tape.record(number) for number in records.tolist()])

    def read_columns(self, records: Int64Array, fields: TokenFields) -> Documents | None:
        """None: a stream has no columns."""
        return None

    def name_of(self, record: int) -> str:
        """Source and number."""
        return f"{self.source!r}, record {record} of the stream"

    def planner(
        self, path: str, reader: int, measure: Callable[[Int64Array], Sizes] | None, drops: bool, shards: int
    ) -> SequentialStream:
        """The planner of the component at ``path``; see ``SequentialStream``.

        Raises:
            PipelineError: There are several logical shards.
        """
        if shards > 1:
            raise PipelineError(f"component {path!r} is a stream, which has no logical shards: batch(…, shards=1)")
        return SequentialStream(self.tape, path, reader, measure, drops)


@dataclass(frozen=True)
class SequentialCursor:
    """Where a stream is: behind so many records, where the source has a state of its own, as canonical JSON."""

    position: int
    state: str


@dataclass(frozen=True)
class SequentialStream:
    """The documents of a sequential source.

    Attributes:
        tape: What reads them.
        path: The component's path.
        reader: Its number among the pipeline's readers.
        measure: From records to the sizes that plans state, or None where they state none.
        drops: Whether documents may be left out.
    """

    tape: Tape
    path: str
    reader: int
    measure: Callable[[Int64Array], Sizes] | None
    drops: bool

    @property
    def epoch_size(self) -> int | None:
        """None: it shows only at the end."""
        return None

    @property
    def epochs(self) -> int | None:
        """None."""
        return None

    @property
    def components(self) -> Mapping[int, str]:
        """Its own path."""
        return {self.reader: self.path}

    @property
    def dropping(self) -> Collection[int]:
        """Its own reader, if documents may be left out."""
        return [self.reader] if self.drops else []

    def start(self) -> SequentialCursor:
        """The cursor in front of the first document."""
        return SequentialCursor(0, _BEGINNING)

    def renewed(self, cursor: SequentialCursor) -> SequentialCursor:
        """The same cursor: nothing waits."""
        return cursor

    def take(self, cursor: SequentialCursor, count: int) -> tuple[DocumentPlan, SequentialCursor]:
        """The next ``count`` documents, or what is left, and the cursor behind them."""
        found, state = self.tape.advance(cursor.position, cursor.state, count)
        record = np.arange(cursor.position, cursor.position + found)
        sizes = Sizes(np.zeros(found, np.int64)) if self.measure is None else self.measure(record)
        plan = DocumentPlan(np.full(found, self.reader), record, *sizes)
        return plan, SequentialCursor(cursor.position + found, state)

    def position(self, cursor: SequentialCursor) -> int:
        """Documents in front of the cursor."""
        return cursor.position

    def finished(self, cursor: SequentialCursor) -> bool:
        """Whether nothing is left, which is found by trying."""
        return self.tape.advance(cursor.position, cursor.state, 1)[0] == 0

    def extent(self, cursor: SequentialCursor) -> Extent | None:
        """None: nobody knows."""
        return None

    def continues(self, behind: SequentialCursor, saved: Saved) -> bool:
        """True: it has no epochs that could change."""
        return True

    def counts(self, cursor: SequentialCursor) -> dict[str, Counts]:
        """Documents in front of the cursor."""
        return {self.path: Counts(documents=cursor.position)}

    def encode(self, cursor: SequentialCursor) -> dict[str, At]:
        """Position, and the source's own state."""
        return {self.path: (cursor.position, cursor.state)}

    def decode(self, saved: Saved) -> SequentialCursor:
        """The cursor of position and state; a StateError where the state has no such thing."""
        found = saved.at.get(self.path, ())
        if len(found) != 2 or type(found[0]) is not int or found[0] < 0 or not isinstance(found[1], str):
            raise StateError(f"component {self.path!r}: {found} is no position of a stream")
        return SequentialCursor(found[0], found[1])
