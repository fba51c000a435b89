"""The pack stage: documents into rows, window by window."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from resumable_data.errors import PipelineError, StateError
from resumable_data.order import permutation
from resumable_data.order.windows import Windows
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.packing.window import VERSIONS, PackedWindow, pack_window
from resumable_data.stages.stage import (
    At,
    Counts,
    DocumentPlanner,
    DocumentStage,
    Opening,
    RowFormat,
    checked_integers,
    describe,
)
from resumable_data.state import Settings

_KEPT_WINDOWS = 2


@dataclass(frozen=True)
class Pack:
    """Packs the documents of each window into rows.

    Attributes:
        parent: The documents.
        format: Row length and special tokens.
        strategy: ``"best_fit"``, ``"first_fit"`` or ``"concat_split"``.
        window: Documents that are packed together.
        truncate: Whether a document longer than a row loses its tail, rather than being split.
    """

    parent: DocumentStage
    format: RowFormat
    strategy: str
    window: int
    truncate: bool

    def __post_init__(self) -> None:
        check_format(self.name, self.format)
        if self.strategy not in ("best_fit", "first_fit", "concat_split"):
            raise PipelineError(
                f"pack: strategy={self.strategy!r}; there are best_fit, first_fit and concat_split"
            )
        if self.window < 1:
            raise PipelineError(f"pack: window={self.window} must be at least 1 document")
        require_lengths(self.name, self.parent)

    @property
    def name(self) -> str:
        """The stage's name."""
        return "pack"

    @property
    def component(self) -> str:
        """The name given with the source."""
        return self.parent.component

    def settings(self) -> Settings:
        """Everything."""
        return {
            **format_settings(self.format),
            "strategy": self.strategy,
            "window": self.window,
            "truncate": self.truncate,
        }

    def open(self, opening: Opening, path: str) -> WindowedRows:
        """The planner of this stage as the component at ``path``."""
        documents = self.parent.open(opening, path)
        opening.components[path] += (describe(self),)
        opening.algorithms[self.strategy] = VERSIONS[self.strategy]
        if self.parent.shuffle_seed is not None:
            opening.algorithms["permutation"] = permutation.VERSION
        return WindowedRows(
            documents,
            path,
            self.format.length,
            self.strategy,
            self.window,
            self.truncate,
            self.parent.shuffle_seed,
        )


@dataclass(frozen=True)
class PackCursor:
    """Where a component's rows are.

    Attributes:
        documents: The documents' cursor at the start of the window.
        window: Number of the window.
        row: Rows of it that are delivered.
        before: What was delivered before the window.
    """

    documents: Any
    window: int
    row: int
    before: Counts


_NOTHING = Counts(rows=0, documents=0, tokens=0, truncated=0, epochs=None)


class WindowedRows:
    """Plans rows of windows of documents. Windows are kept for speed alone; they follow from the cursor.

    Args:
        documents: The documents' planner.
        path: The component's path.
        length: Tokens a row.
        strategy: How a window is packed.
        window: Documents a window.
        truncate: Whether long documents lose their tail.
        shuffle_seed: Seed of the order of a window's rows, or None to keep it.
    """

    def __init__(
        self,
        documents: DocumentPlanner[Any],
        path: str,
        length: int,
        strategy: str,
        window: int,
        truncate: bool,
        shuffle_seed: int | None,
    ) -> None:
        self._documents = documents
        self._path = path
        self._length = length
        self._strategy = strategy
        self._truncate = truncate
        self._shuffle_seed = shuffle_seed
        self._windows = Windows(window, documents.epoch_size, documents.total)
        self._packed: OrderedDict[tuple[int, Any], tuple[PackedWindow, Any]] = OrderedDict()
        self._lock = Lock()

    def start(self) -> PackCursor:
        """The cursor in front of the first row."""
        return PackCursor(self._documents.start(), 0, 0, _NOTHING)

    def take(self, cursor: PackCursor, count: int) -> tuple[RowPlan, PackCursor]:
        """The next ``count`` rows, or what is left, and the cursor behind them."""
        plans: list[RowPlan] = []
        while count and not self._ended(cursor):
            packed, behind = self._window(cursor)
            taken = packed.plan.slice(cursor.row, min(cursor.row + count, len(packed.plan)))
            plans.append(taken)
            count -= len(taken)
            cursor = replace(cursor, row=cursor.row + len(taken))
            if cursor.row == len(packed.plan):
                # One position has one cursor: behind the last row is in front of the next window.
                counts = self._counts(cursor, packed)
                cursor = PackCursor(behind, cursor.window + 1, 0, replace(counts, epochs=None))
        return (concatenate(plans) if plans else RowPlan.empty(0)), cursor

    def encode(self, cursor: PackCursor) -> dict[str, At]:
        """The documents' integers, then window, row, and the counts before the window."""
        before = cursor.before
        own = (cursor.window, cursor.row, before.rows, before.documents, before.tokens, before.truncated)
        at = self._documents.encode(cursor.documents)
        return {**at, self._path: (*at.get(self._path, ()), *own)}

    def decode(self, at: Mapping[str, At]) -> PackCursor:
        """The cursor of these integers; a StateError where there is no such window or row."""
        given = at.get(self._path, ())
        window, row, rows, documents, tokens, truncated = checked_integers(
            {self._path: given[-6:]}, self._path, 6
        )
        cursor = PackCursor(
            self._documents.decode({**at, self._path: given[:-6]}),
            window,
            row,
            Counts(rows, documents, tokens, truncated, None),
        )
        last = self._windows.count
        if (last is not None and window > last) or self._windows.bounds(window)[
            0
        ] != self._documents.position(cursor.documents):
            raise StateError(f"component {self._path!r}: window {window} does not begin where the state says")
        if row and (self._ended(cursor) or row >= len(self._window(cursor)[0].plan)):
            raise StateError(f"component {self._path!r}: window {window} has no row {row}")
        return cursor

    def counts(self, cursor: PackCursor) -> dict[str, Counts]:
        """What was delivered up to the cursor."""
        counted = self._counts(cursor, self._window(cursor)[0]) if cursor.row else cursor.before
        return {self._path: replace(counted, epochs=self._epochs(cursor))}

    def _epochs(self, cursor: PackCursor) -> float | None:
        """Epochs delivered: whole windows, and of the present one the share of its rows."""
        if self._documents.epoch_size is None:
            return None
        start, stop = self._windows.bounds(cursor.window)
        share = cursor.row / len(self._window(cursor)[0].plan) if cursor.row else 0.0
        return (start + share * (stop - start)) / self._documents.epoch_size

    def _counts(self, cursor: PackCursor, packed: PackedWindow) -> Counts:
        before, row = cursor.before, cursor.row
        return Counts(
            before.rows + row,
            before.documents + int(packed.documents[row]),
            before.tokens + int(packed.tokens[row]),
            before.truncated + int(packed.truncated[row]),
            None,
        )

    def _ended(self, cursor: PackCursor) -> bool:
        return self._windows.count is not None and cursor.window >= self._windows.count

    def _window(self, cursor: PackCursor) -> tuple[PackedWindow, Any]:
        """The packed window of a cursor, and the documents' cursor behind it."""
        key = (cursor.window, cursor.documents)
        with self._lock:
            found = self._packed.get(key)
        if found is None:
            start, stop = self._windows.bounds(cursor.window)
            documents, behind = self._documents.take(cursor.documents, stop - start)
            seed = self._shuffle_seed
            shuffle_key = None if seed is None else (seed, self._path, cursor.window)
            packed = pack_window(
                documents, self._length, self._strategy, truncate=self._truncate, shuffle_key=shuffle_key
            )
            found = packed, behind
            with self._lock:
                self._packed[key] = found
                while len(self._packed) > _KEPT_WINDOWS:
                    self._packed.popitem(last=False)
        return found


def check_format(stage: str, row_format: RowFormat) -> None:
    """Raises PipelineError, naming the stage, where rows of this format cannot be."""
    if row_format.length < 1:
        raise PipelineError(f"{stage}: length={row_format.length} must be at least 1 token a row")
    for name, token in (("eod_id", row_format.eod_id), ("pad_id", row_format.pad_id)):
        if not 0 <= token < 2**31:
            raise PipelineError(f"{stage}: {name}={token} is no token that int32 can hold")


def format_settings(row_format: RowFormat) -> Settings:
    """The settings of a row format."""
    return {"length": row_format.length, "eod_id": row_format.eod_id, "pad_id": row_format.pad_id}


def require_lengths(stage: str, documents: DocumentStage) -> None:
    """Raises PipelineError, naming the stage, where the documents' lengths are unknown before reading."""
    if not documents.lengths_known:
        raise PipelineError(
            f"{stage}: the lengths of component {documents.component!r} are not known before reading. "
            "A map in front of it needs preserves_length=True, and the source a lengths(indices) method"
        )
