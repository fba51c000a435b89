"""The repeat stage: more than one epoch."""

from __future__ import annotations

from dataclasses import dataclass

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError
from resumable_data.reading.fields import TokenFields
from resumable_data.stages.documents import ChainStage
from resumable_data.state import Settings


@dataclass(frozen=True)
class Repeat(ChainStage):
    """The epochs of a component, one after the other.

    Attributes:
        times: How many, or None for ever.
    """

    times: int | None

    def __post_init__(self) -> None:
        if self.parent.epochs != 1:
            raise PipelineError("repeat: these documents repeat already")
        if self.times is not None and self.times < 1:
            raise PipelineError(f"repeat: {self.times} epochs; give at least 1, or nothing to repeat for ever")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "repeat"

    def settings(self) -> Settings:
        """Number of epochs."""
        return {"epochs": self.times}

    @property
    def epochs(self) -> int | None:
        """Number of epochs, or None where they are endless."""
        return self.times

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The parent's: documents stay as they are."""
        return self.parent.read_fields(records, fields)
