"""The stage of a source that is read in its own order alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError
from resumable_data.planning.sequential_documents import SequentialDocuments
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields
from resumable_data.sources.retries import Retries
from resumable_data.sources.sequential import SequentialSource, Tape
from resumable_data.stages.stage import check_component_name
from resumable_data.state import Settings


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

    def planner(self, path: str, reader: int, drops: bool, shards: int) -> SequentialDocuments:
        """The planner of the component at ``path``; see ``SequentialDocuments``.

        Raises:
            PipelineError: There are several logical shards.
        """
        if shards > 1:
            raise PipelineError(f"component {path!r} is a stream, which has no logical shards: batch(…, shards=1)")
        return SequentialDocuments(self.tape, path, reader, drops)
