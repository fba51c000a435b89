"""The unbatch stage: the rows of a process's batches, one by one and in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from typing_extensions import override

from resumable_data.engines.unbatch import UnbatchEngine
from resumable_data.engines.worker import ALONE, Worker
from resumable_data.errors import PipelineError
from resumable_data.placement.placed_rows import PlacedRows
from resumable_data.run_history import NEW_RUN, RunHistory
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.stage import Stage
from resumable_data.state import Settings


@dataclass(frozen=True)
class Unbatch(Stage):
    """Rows instead of batches, for those who make batches themselves.

    Attributes:
        parent: The batches, all of one size.
        steps: Number of batches after which rows end, or None for all there are.
    """

    parent: Batch
    steps: int | None

    def __post_init__(self) -> None:
        if len(self.parent.schedule.sizes) > 1:
            raise PipelineError(f"unbatch: all batches must have one size, not {self.parent.schedule.sizes}")
        if self.parent.functions:
            raise PipelineError(
                "unbatch: the result of map_batches may have no rows; call unbatch before map_batches"
            )
        if isinstance(self.parent.view, PlacedRows):
            raise PipelineError("unbatch: placed batches are arrays on devices; use shard, or neither")
        if self.parent.view.processes:
            raise PipelineError("unbatch: processes end together with a batch, not with a row; use shard, or neither")
        if self.steps is not None and self.steps < 1:
            raise PipelineError(f"unbatch: steps={self.steps} must be at least 1")

    @property
    @override
    def name(self) -> str:
        return "unbatch"

    @property
    @override
    def component(self) -> str:
        """The path of the component or mix that the rows are of."""
        return self.parent.component

    @override
    def below(self, path: str) -> Mapping[str, Stage]:
        return {path: self.parent}

    @property
    def rows(self) -> int:
        """Rows of a batch that this process is given."""
        return len(self.parent.view.rows(self.parent.schedule.size(0)))

    @override
    def settings(self) -> Settings:
        return {"rows": self.rows, "steps": self.steps}

    def shards_of(self, saved: int | None) -> int | None:
        """Returns the logical shards of a run; see ``Batch.shards_of``."""
        return self.parent.shards_of(saved)

    def open_engine(self, catalog: Catalog, history: RunHistory = NEW_RUN, worker: Worker = ALONE) -> UnbatchEngine:
        """Opens the engine of an iterator of these rows."""
        batches = self.parent.open_engine(catalog, history, worker)
        catalog.describe("*", self.name, self.settings())
        return UnbatchEngine(batches, self.rows, self.steps)
