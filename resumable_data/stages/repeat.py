"""The repeat stage: more than one epoch."""

from __future__ import annotations

from dataclasses import dataclass

from resumable_data.errors import PipelineError
from resumable_data.state import Settings


@dataclass(frozen=True)
class Repeat:
    """The epochs of a component, one after the other.

    Attributes:
        times: Number of epochs, or None for an endless stream.
    """

    times: int | None

    def __post_init__(self) -> None:
        if self.times is not None and self.times < 1:
            raise PipelineError(f"repeat: {self.times} epochs; pass at least 1, or nothing to repeat forever")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "repeat"

    def settings(self) -> Settings:
        """Returns the number of epochs."""
        return {"epochs": self.times}

    def algorithms(self) -> dict[str, int]:
        """Returns nothing: no algorithm has a version here."""
        return {}
