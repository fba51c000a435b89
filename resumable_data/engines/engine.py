"""What an iterator drives: planning and loading elements, without a position of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

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
        spans: Number of spans of documents to read for it.
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
    """A decoded state.

    Attributes:
        position: Its position.
        settings: Settings of the saved pipeline's shared stages, by name.
        changes: The changes of the pipeline in this restore.
    """

    position: Position
    settings: Mapping[str, Settings]
    changes: tuple[Edit, ...]

    @property
    def epochs_before(self) -> dict[str, int]:
        """The saved number of epochs by component path, if it was finite and this restore changes it."""
        found: dict[str, int] = {}
        for change in self.changes:
            if change.component is None or change.stage != "repeat":
                continue
            if change.setting == "epochs" and isinstance(change.before, int):
                found[change.component] = change.before
            elif change.kind == "stage_added":
                found[change.component] = 1
        return found

    @property
    def row_length_before(self) -> int | None:
        """The saved number of tokens a row, if this restore changes it. It is the same for all components."""
        return next((cast(int, change.before) for change in self.changes if change.is_row_length), None)


def spans_at_once(readers: int) -> int:
    """Returns how many spans make a read of records cheap, for so many readers."""
    return max(_SPANS_AT_ONCE, _SPANS_AT_ONCE_A_READER * readers)


class Engine(Protocol[PlanT, CursorT, ProducedT]):
    """Plans and loads elements, without a position of its own. A cursor is a value, and planning is pure."""

    @property
    def spans_at_once(self) -> int:
        """Number of spans that are best read together."""
        ...

    @property
    def plans_without_reading(self) -> bool:
        """Whether elements are planned without reading a document."""
        ...

    def start(self) -> CursorT:
        """Returns the cursor before the first element."""
        ...

    def plan(self, cursor: CursorT, step: int) -> Planned[PlanT, CursorT] | None:
        """Plans the element of a step at its cursor; None at the end."""
        ...

    def load(self, plans: Sequence[PlanT]) -> Iterator[ProducedT]:
        """Reads the spans of all plans, then yields their elements one by one."""
        ...

    def encode(self, cursor: CursorT) -> tuple[int, dict[str, At]]:
        """Returns rows delivered, and integers by component path."""
        ...

    def decode(self, resumed: Resumed) -> CursorT:
        """Returns the cursor of a state."""
        ...

    def skipping(self, cursor: CursorT, step: int, count: int) -> CursorT:
        """Returns the cursor that will skip ``count`` elements before that of a step."""
        ...

    def counts(self, cursor: CursorT, *, ended: bool) -> dict[str, Counts]:
        """Returns what each component has delivered; ``ended`` if there is no next element."""
        ...

    def epoch(self, cursor: CursorT) -> int | None:
        """Returns the epoch of the next element, if there is one component; None without epochs."""
        ...

    def next_epochs(self, cursor: CursorT) -> dict[str, int | None]:
        """Returns, by component path, the first epoch of which nothing is planned; None if there is none."""
        ...

    def whereabouts(self, cursor: CursorT) -> tuple[int, int | None]:
        """Returns rows delivered, and the epoch that has begun, from the cursor alone, without planning."""
        ...

    def remainder(self, cursor: CursorT, step: int, ended: bool) -> int:
        """Returns the rows after a cursor that will not be delivered; ``ended`` if all elements are delivered."""
        ...

    def close(self) -> None:
        """Ends background work, and drops what is kept."""
        ...

    def cells(self, rows: int) -> int:
        """Returns the number of cells in so many rows: tokens and padding."""
        ...


class Resource(Protocol):
    """A resource of one iterator, which closes it."""

    def close(self) -> None:
        """Frees memory and files, without waiting."""
        ...
