"""An open pipeline."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from resumable_data.engines.engine import Engine, Resource
from resumable_data.opaque import Cursor, Plan
from resumable_data.reading.bad_records import LeftOut
from resumable_data.run_history import NEW_RUN, RunHistory
from resumable_data.state import Description

ElementT = TypeVar("ElementT")


@dataclass(frozen=True)
class Opened(Generic[ElementT]):
    """An open pipeline.

    Attributes:
        engine: What plans and loads its elements.
        description: What decides its data.
        history: What the run has decided that the pipeline does not say.
        resources: Resources to close after the engine.
        left_out: Returns the bad records that were left out so far.
    """

    engine: Engine[Plan, Cursor, ElementT]
    description: Description
    history: RunHistory = NEW_RUN
    resources: Sequence[Resource] = ()
    left_out: Callable[[], list[LeftOut]] = list

    def __post_init__(self) -> None:
        # No thread refers to this object, so dropping it, or exiting, ends the engine's threads.
        weakref.finalize(self, self.engine.close)

    def close(self) -> None:
        """Ends background work, and frees memory and files."""
        self.engine.close()
        for resource in self.resources:
            resource.close()
