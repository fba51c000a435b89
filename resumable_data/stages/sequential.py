"""The stage of a source that can be read only in its own order."""

from __future__ import annotations

from dataclasses import dataclass

from resumable_data.arguments import kind_of
from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError, RecordError
from resumable_data.planning.sequential_documents import SequentialDocuments
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields
from resumable_data.sources.replay_buffer import ReplayBuffer
from resumable_data.sources.retries import Retries
from resumable_data.sources.sequential import BadRecord, SequentialSource
from resumable_data.stages.stage import check_component_name
from resumable_data.state import Settings


@dataclass(frozen=True)
class SequentialStage:
    """Records of a sequential source, once.

    Attributes:
        component: The component's name.
        content: The source's fingerprint.
        source: The records.
        retries: How often a failed read is tried again. It does not affect the data.
    """

    component: str
    content: str
    source: SequentialSource
    retries: Retries

    @classmethod
    def of(cls, source: SequentialSource, name: str, retries: Retries) -> SequentialStage:
        """Returns the stage of a source.

        Raises:
            PipelineError: No component can have this name.
        """
        if isinstance(source, type):
            raise PipelineError(f"from_source: {kind_of(source)} is not a source: give an object of the class")
        check_component_name(name)
        return cls(name, source.fingerprint(), source, retries)

    @property
    def name(self) -> str:
        """The stage's name."""
        return "source"

    def settings(self) -> Settings:
        """Returns the fingerprint, and that the source is sequential."""
        return {"content": self.content, "sequential": True}

    def algorithms(self) -> dict[str, int]:
        """Returns nothing: no algorithm has a version here."""
        return {}

    @property
    def epoch_size(self) -> int:
        """Raises PipelineError: the size of a stream is not known."""
        raise PipelineError(f"component {self.component!r} is a stream without random access, of no known size")

    @property
    def random_access(self) -> bool:
        """False: records come in one order."""
        return False

    @property
    def epochs(self) -> int | None:
        """None: the end of the stream is not known."""
        return None

    @property
    def lengths_known(self) -> bool:
        """False: only reading shows token counts."""
        return False

    def records(self) -> BufferedRecords:
        """Returns what reads the records for one iterator."""
        return BufferedRecords(ReplayBuffer(self.source, self.retries), repr(self.source), self.component)


@dataclass(frozen=True)
class BufferedRecords:
    """The records of a sequential source, for one iterator.

    Attributes:
        buffer: The records read recently.
        source: What errors call the source.
        component: The component's name.
    """

    buffer: ReplayBuffer
    source: str
    component: str

    reads_together = False

    def read(self, records: Int64Array) -> Documents:
        """Returns records that were planned recently.

        Raises:
            RecordError: One of them is bad.
            SourceError: Storage fails at every try, or a record is no longer in the buffer.
        """
        found = [self.buffer.record(number) for number in records.tolist()]
        for number, record in zip(records.tolist(), found, strict=True):
            if isinstance(record, BadRecord):
                raise RecordError(f"{self.name_of(number)} {record.reason}")
        return Documents(found)

    def read_columns(self, records: Int64Array, fields: TokenFields) -> Documents | None:
        """Returns None: a stream has no columns."""
        return None

    def lengths(self, records: Int64Array) -> Int64Array:
        """Raises PipelineError: only reading shows token counts."""
        raise PipelineError(f"component {self.component!r} is a stream, of no known lengths")

    def name_of(self, record: int) -> str:
        """Returns what errors call a record: its source and number."""
        return f"{self.source}, record {record} of the stream"

    def planner(self, path: str, reader: int, drops: bool, shards: int) -> SequentialDocuments:
        """Returns the planner of the component at ``path``; see ``SequentialDocuments``.

        Raises:
            PipelineError: There are several logical shards.
        """
        if shards > 1:
            raise PipelineError(f"component {path!r} is a stream, which has no logical shards: batch(…, shards=1)")
        return SequentialDocuments(self.buffer, path, reader, drops)

    def close(self) -> None:
        """Closes the buffer."""
        self.buffer.close()
