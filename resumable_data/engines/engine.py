"""What an iterator drives: planning and loading elements, without a position of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from resumable_data.edits import Edit
from resumable_data.planning.planner import Counts
from resumable_data.state import At, Position, Settings

PlanT = TypeVar("PlanT")
CursorT = TypeVar("CursorT")
ProducedT = TypeVar("ProducedT", covariant=True)

_SPANS_AT_ONCE = 8192
_SPANS_AT_ONCE_A_READER = 256


@dataclass(frozen=True)
class Planned(Generic[PlanT, CursorT]):
    """A planned element.

    Attributes:
        plan: What to load.
        after: The cursor after it.
        spans: Stretches of documents to be read for it.
        tokens: Tokens in them.
        digest: Digest of the whole batch that the element is, or completes, the same on every process; None where
            it is not a batch.
    """

    plan: PlanT
    after: CursorT
    spans: int
    tokens: int
    digest: str | None = None


@dataclass(frozen=True)
class Resumed:
    """A state that was read.

    Attributes:
        position: Where it is.
        settings: Settings of the saved pipeline's shared stages, by name.
        changes: What this restore changes about the pipeline.
    """

    position: Position
    settings: Mapping[str, Settings]
    changes: tuple[Edit, ...]

    @property
    def epochs_before(self) -> dict[str, int]:
        """By component path the number of epochs that this restore changes, where it was finite."""
        found: dict[str, int] = {}
        for change in self.changes:
            if change.component is None or change.stage != "repeat":
                continue
            if change.setting == "epochs" and isinstance(change.before, int):
                found[change.component] = change.before
            elif change.kind == "stage_added":
                found[change.component] = 1
        return found


def spans_at_once(readers: int) -> int:
    """How many spans make a read of records cheap, of so many sources."""
    return max(_SPANS_AT_ONCE, _SPANS_AT_ONCE_A_READER * readers)


class Engine(Protocol[PlanT, CursorT, ProducedT]):
    """Plans and loads elements. It keeps no position: a cursor is a value, and planning is pure."""

    @property
    def spans_at_once(self) -> int:
        """Stretches of documents that are best read together."""
        ...

    @property
    def plans_without_reading(self) -> bool:
        """Whether elements are planned without reading a document."""
        ...

    def start(self) -> CursorT:
        """The cursor before the first element."""
        ...

    def plan(self, cursor: CursorT, step: int) -> Planned[PlanT, CursorT] | None:
        """The element of a step, whose cursor is given, or None at the end."""
        ...

    def load(self, plans: Sequence[PlanT]) -> Iterator[ProducedT]:
        """Reads what the plans name, then gives their elements one by one."""
        ...

    def encode(self, cursor: CursorT) -> tuple[int, dict[str, At]]:
        """Rows delivered, and integers by component path."""
        ...

    def decode(self, resumed: Resumed) -> CursorT:
        """The cursor of a state."""
        ...

    def skipping(self, cursor: CursorT, step: int, count: int) -> CursorT:
        """The cursor that will skip ``count`` elements before that of a step."""
        ...

    def counts(self, cursor: CursorT, *, ended: bool) -> dict[str, Counts]:
        """What each component has delivered; ``ended`` if there is no further element."""
        ...

    def epoch(self, cursor: CursorT) -> int | None:
        """The epoch of the next element, of a single component; None where epochs have no meaning."""
        ...

    def whereabouts(self, cursor: CursorT) -> tuple[int, int | None]:
        """Rows delivered, and the epoch that has begun, as far as the cursor says it: nothing is planned."""
        ...

    def remainder(self, cursor: CursorT, step: int, ended: bool) -> int:
        """Rows after the cursor of a step that are known not to be delivered; ``ended`` if all elements are."""
        ...

    def close(self) -> None:
        """Ends what runs in the background, and drops what is kept."""
        ...

    def cells(self, rows: int) -> int:
        """Cells, tokens and padding, of so many rows."""
        ...


class Resource(Protocol):
    """What belongs to one iterator, which closes it."""

    def close(self) -> None:
        """Frees memory and files, without waiting."""
        ...
