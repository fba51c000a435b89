"""A pipeline that is open."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from resumable_data.engines.engine import Engine, Resource
from resumable_data.opaque import Cursor, Plan
from resumable_data.reading.bad_records import LeftOut
from resumable_data.state import Description

ElementT = TypeVar("ElementT")


@dataclass(frozen=True)
class Opened(Generic[ElementT]):
    """A pipeline that is open.

    Attributes:
        engine: What plans and loads its elements.
        description: What decides its data.
        shards: The logical shards of the run; None where it measures no document.
        resources: What it has open, to be closed after the engine.
        left_out: Gives the bad records that were left out so far.
    """

    engine: Engine[Plan, Cursor, ElementT]
    description: Description
    shards: int | None = None
    resources: Sequence[Resource] = ()
    left_out: Callable[[], list[LeftOut]] = list

    def __post_init__(self) -> None:
        # No thread knows of this object, so that dropping it, or exiting, ends those of the engine.
        weakref.finalize(self, self.engine.close)

    def close(self) -> None:
        """Ends what runs in the background, and frees memory and files."""
        self.engine.close()
        for resource in self.resources:
            resource.close()
