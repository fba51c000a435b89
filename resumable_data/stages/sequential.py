"""The stage of a source that is read in its own order alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError
from resumable_data.planning.planner import DocumentPlanner
from resumable_data.planning.sequential_documents import SequentialDocuments
from resumable_data.sources.retries import Retries
from resumable_data.sources.sequential import SequentialSource, Tape
from resumable_data.stages.catalog import OpenComponent
from resumable_data.stages.documents import ChainStage, RootStage, check_component_name
from resumable_data.stages.open_context import OpenContext
from resumable_data.state import Settings


@dataclass(frozen=True)
class SequentialStage(RootStage):
    """Records of a sequential source, once.

    Attributes:
        source: The records.
        tape: The records read of late.
    """

    source: SequentialSource
    tape: Tape = field(compare=False)

    @classmethod
    def of(cls, source: SequentialSource, name: str, retries: Retries) -> SequentialStage:
        """The stage of a source.

        Raises:
            PipelineError: No component can have this name.
        """
        check_component_name(name)
        return cls(cast(ChainStage, None), name, source.fingerprint(), source, Tape(source, retries))

    def settings(self) -> Settings:
        """The fingerprint, and that it is sequential."""
        return {"content": self.content, "sequential": True}

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

    def read(self, records: Int64Array) -> Sequence[Any]:
        """Records that were planned of late."""
        return [self.tape.record(number) for number in records.tolist()]

    def name_of(self, record: int) -> str:
        """Source and number."""
        return f"{self.source!r}, record {record} of the stream"

    def planner(
        self, top: ChainStage, path: str, component: OpenComponent, context: OpenContext
    ) -> DocumentPlanner[Any]:
        """The planner of a chain over this source."""
        if context.shards > 1:
            raise PipelineError(f"component {path!r} is a stream, which has no logical shards: batch(…, shards=1)")
        return SequentialDocuments(self.tape, path, component.number, top.drops)
