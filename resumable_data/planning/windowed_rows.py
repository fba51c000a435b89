"""Rows of documents that are packed window by window: the planner of pack and pad."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from resumable_data.errors import PipelineMismatchError, ResumableDataError, SourceError, StateError
from resumable_data.order.shards import Share
from resumable_data.order.windows import Windows
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.packing.window import PackedWindow, pack_window
from resumable_data.planning.planner import Counts, DocumentPlanner, Extent, Saved, checked_integers
from resumable_data.state import At

_KEPT_WINDOWS = 2
_EMPTY_DOCUMENTS = 10_000_000
# A shard of many misses a single document that is kept for so long with a probability of e⁻³².
_EMPTY_EPOCHS = 32


@dataclass(frozen=True)
class PackingReport:
    """How well windows of documents fill their rows.

    Attributes:
        windows: Windows that were packed.
        rows: Their rows.
        documents: Their documents, less those that are dropped.
        dropped: Documents that a filter or a bad record leaves out.
        split: Documents that lie in more than one row.
        tokens: Tokens in the rows.
        truncated: Tokens that were cut off the documents in these rows, here or by ``tokenize``.
        padding: Share of the cells that hold padding, 0 to 1.
    """

    windows: int
    rows: int
    documents: int
    dropped: int
    split: int
    tokens: int
    truncated: int
    padding: float


Delivered = tuple[int, int, int, int]


@dataclass(frozen=True)
class PackCursor:
    """Where a component's rows are.

    Attributes:
        documents: The documents' cursor at the start of the window.
        window: Number of the window.
        size: Documents in the window, once a row of it is delivered: what is changed about the pipeline
            afterwards begins with the next window. 0 before that.
        row: Rows of it that are delivered.
        rows: Rows delivered before the window.
        before: What was delivered before the window of each component: documents, tokens, truncated tokens, and
            documents dropped.
    """

    documents: Any
    window: int
    size: int
    row: int
    rows: int
    before: tuple[Delivered, ...]


class WindowedRows:
    """Plans rows of windows of documents. Windows are kept for speed alone; they follow from the cursor.

    Args:
        documents: The documents' planner.
        path: The component's path, or that of the mix whose documents are packed.
        length: Tokens a row.
        strategy: How a window is packed.
        window: Documents a window.
        truncate: Whether long documents lose their tail.
        shuffle_seed: Seed of the order of a window's rows, or None to keep it.
        share: The logical shard whose rows these are.
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
        share: Share,
    ) -> None:
        self._documents = documents
        self._path = path
        self._length = length
        self._strategy = strategy
        self._truncate = truncate
        self._shuffle_seed = shuffle_seed
        self._share = share
        self._windows = Windows(window, documents.epoch_size, documents.epochs, share)
        self._packed: OrderedDict[PackCursor, _Window] = OrderedDict()
        self._lock = Lock()

    def start(self) -> PackCursor:
        """The cursor in front of the first row."""
        nothing = ((0, 0, 0, 0),) * len(self._documents.components)
        return PackCursor(self._documents.start(), 0, 0, 0, 0, nothing)

    def take(self, cursor: PackCursor, count: int) -> tuple[RowPlan, PackCursor]:
        """The next ``count`` rows, or what is left, and the cursor behind them."""
        plans: list[RowPlan] = []
        empty = dropped = 0
        while count:
            window = self._window(cursor)
            if not window.packed.size:
                break
            rows = window.packed.plan
            empty = 0 if len(rows) else empty + window.packed.size
            dropped = 0 if len(rows) else dropped + len(window.packed.dropped)
            if empty > most_empty(self._documents, self._share.shards):
                raise SourceError(no_document(self._path, empty, dropped))
            taken = rows.slice(cursor.row, min(cursor.row + count, len(rows)))
            plans.append(taken)
            count -= len(taken)
            cursor = replace(cursor, row=cursor.row + len(taken), size=window.packed.size)
            if cursor.row == len(rows):
                cursor = self._behind(cursor, window)
        return (concatenate(plans) if plans else RowPlan.empty(0)), cursor

    def report(self, windows: int) -> PackingReport:
        """What the first windows look like, without reading a token."""
        packed: list[PackedWindow] = []
        cursor = self.start()
        while len(packed) < windows:
            window = self._window(cursor)
            if not window.packed.size:
                break
            packed.append(window.packed)
            cursor = replace(cursor, documents=window.behind, window=cursor.window + 1)
        dropped = sum(len(window.dropped) for window in packed)
        rows = sum(len(window.plan) for window in packed)
        tokens = sum(int(window.plan.length.sum()) for window in packed)
        return PackingReport(
            windows=len(packed),
            rows=rows,
            documents=sum(window.size for window in packed) - dropped,
            dropped=dropped,
            split=sum(window.split for window in packed),
            tokens=tokens,
            truncated=sum(int(window.truncated.sum()) for window in packed),
            padding=1 - tokens / (rows * self._length) if rows else 0.0,
        )

    def encode(self, cursor: PackCursor) -> dict[str, At]:
        """The documents' integers; then window, size, row and rows; then each component's counts."""
        at = self._documents.encode(cursor.documents)
        at[self._path] = (*at[self._path], cursor.window, cursor.size, cursor.row, cursor.rows)
        for (reader, path), counts in zip(self._documents.components.items(), cursor.before, strict=True):
            at[path] = (*at[path], *counts[: self._counted(reader)])
        return at

    def decode(self, saved: Saved) -> PackCursor:
        """The cursor of these integers; a StateError where there is no such window or row."""
        at = dict(saved.at)
        before: list[Delivered] = []
        for reader, path in self._documents.components.items():
            # A component that was added since has delivered nothing.
            own = _last_integers(at, path, self._counted(reader)) if path in at else (0, 0, 0)
            before.append((own[0], own[1], own[2], own[3] if len(own) > 3 else 0))
        window, size, row, rows = _last_integers(at, self._path, 4)
        if bool(row) != bool(size):
            raise StateError(f"component {self._path!r}: {row} rows of a window of {size} documents")
        documents = self._documents.decode(replace(saved, at=at, in_window=saved.in_window or bool(row)))
        if not row:
            documents = self._documents.renewed(documents)
        cursor = PackCursor(documents, window, size, row, rows, tuple(before))
        if row:
            window = self._window(cursor)
            packed = window.packed
            if self._documents.epoch_size is None and not self._documents.continues(window.behind, saved):
                raise PipelineMismatchError(
                    f"the epochs of {sorted(saved.epochs_before)} cannot be changed here: one of these components "
                    "ends in the window that is being delivered. Restore an earlier or a later checkpoint",
                    tuple(f"{path}: repeat.epochs" for path in sorted(saved.epochs_before)),
                )
            if packed.size != size or row >= len(packed.plan):
                raise StateError(
                    f"component {self._path!r}: window {window} has {packed.size} documents in "
                    f"{len(packed.plan)} rows; there is no row {row} of {size} documents"
                )
        return cursor

    def position(self, cursor: PackCursor) -> int:
        """Rows in front of the cursor."""
        return cursor.rows + cursor.row

    def finished(self, cursor: PackCursor) -> bool:
        """Whether every row of all epochs that were asked for is delivered."""
        return self._documents.finished(cursor.documents)

    def extent(self, cursor: PackCursor) -> Extent | None:
        """Documents in front of the cursor, and in all; within a window by the share of its rows."""
        start = self._documents.extent(cursor.documents)
        if start is None or not cursor.row:
            return start
        share = cursor.row / len(self._window(cursor).packed.plan)
        return Extent(start.done + share * cursor.size, start.total)

    def counts(self, cursor: PackCursor) -> dict[str, Counts]:
        """What each component has delivered up to the cursor."""
        if self._documents.dropping and not cursor.row:
            cursor = self._behind_empty(cursor)
        window = self._window(cursor) if cursor.row else None
        share = cursor.row / len(window.packed.plan) if window else 0.0
        at_start = self._documents.counts(cursor.documents)
        at_end = self._documents.counts(window.behind) if window else at_start
        counted: dict[str, Counts] = {}
        components = self._documents.components.values()
        for path, delivered in zip(components, self._delivered(cursor, window), strict=True):
            start, end = at_start[path], at_end[path]
            documents, tokens, truncated, dropped = delivered
            counted[path] = replace(
                end,
                documents=documents,
                tokens=tokens,
                truncated=truncated,
                dropped=dropped,
                rows=cursor.rows + cursor.row if path == self._path else 0,
                epochs=start.epochs + share * (end.epochs - start.epochs),
            )
        return counted

    def _behind(self, cursor: PackCursor, window: _Window) -> PackCursor:
        """The cursor behind a window, whose last row is that in front of ``cursor``.

        One position has one cursor: behind the last row is in front of the next window.
        """
        delivered = self._delivered(cursor, window)
        return PackCursor(window.behind, cursor.window + 1, 0, 0, cursor.rows + cursor.row, delivered)

    def _behind_empty(self, cursor: PackCursor) -> PackCursor:
        """The cursor behind the windows without rows that follow, of which no row will tell that they are over."""
        empty, most = 0, most_empty(self._documents, self._share.shards)
        while empty <= most:
            try:
                window = self._window(cursor)
            except ResumableDataError:
                break  # Whoever asks for the next row will be told.
            if not window.packed.size or len(window.packed.plan):
                break
            empty += window.packed.size
            cursor = self._behind(cursor, window)
        return cursor

    def _delivered(self, cursor: PackCursor, window: _Window | None) -> tuple[Delivered, ...]:
        """What was delivered up to the cursor of each component; ``window`` is None in front of one."""
        if window is None:
            return cursor.before
        found = [window.packed.delivered(cursor.row, reader) for reader in self._documents.components]
        return tuple(
            (before[0] + own[0], before[1] + own[1], before[2] + own[2], before[3] + own[3])
            for before, own in zip(cursor.before, found, strict=True)
        )

    def _counted(self, reader: int) -> int:
        """How many integers say what was delivered of a component: that it drops nothing needs none."""
        return 4 if reader in self._documents.dropping else 3

    def _window(self, cursor: PackCursor) -> _Window:
        """The window of a cursor, packed."""
        key = replace(cursor, row=0)
        with self._lock:
            found = self._packed.get(key) or self._packed.get(replace(key, size=0))
        if found is None or (cursor.size and found.packed.size != cursor.size):
            found = self._pack(cursor)
            with self._lock:
                self._packed[key] = found
                while len(self._packed) > _KEPT_WINDOWS:
                    self._packed.popitem(last=False)
        return found

    def _pack(self, cursor: PackCursor) -> _Window:
        start = self._documents.position(cursor.documents)
        size = cursor.size or self._windows.stop(start) - start
        documents, behind = self._documents.take(cursor.documents, size)
        seed = self._shuffle_seed
        shuffle_key = None if seed is None else (seed, self._path, cursor.window)
        if shuffle_key is not None and self._share.shards > 1:
            shuffle_key += (self._share.shard,)
        packed = pack_window(
            documents, self._length, self._strategy, truncate=self._truncate, shuffle_key=shuffle_key
        )
        return _Window(packed, self._documents.renewed(behind))


def most_empty(documents: DocumentPlanner[Any], shards: int) -> int:
    """How many documents that give nothing may follow each other, before there is none that gives anything.

    One of several shards sees another part of every shuffled epoch, and may miss the few that give something for a
    long time.
    """
    if documents.epoch_size is None:
        return _EMPTY_DOCUMENTS
    if documents.epochs is None and shards > 1:
        return _EMPTY_EPOCHS * documents.epoch_size
    return (documents.epochs or 1) * documents.epoch_size // shards + 1


def no_document(path: str, documents: int, dropped: int) -> str:
    """What an error says about a component of which a whole epoch gives nothing to deliver."""
    text = f"component {path!r}: {documents} documents have no token, as many as an epoch has, or more"
    if dropped:
        text += (
            f"; filter or skip_bad_records leaves out {dropped} of them. Iterate over the documents in front of "
            "the filter, and look at what its predicate says of them"
        )
    return text


@dataclass(frozen=True, eq=False)
class _Window:
    """A packed window, and the documents' cursor behind it."""

    packed: PackedWindow
    behind: Any


def _last_integers(at: dict[str, At], path: str, count: int) -> tuple[int, ...]:
    """Takes the last ``count`` integers of a path away, and returns them."""
    given = at.get(path, ())
    at[path] = given[: len(given) - count]
    return checked_integers({path: given[-count:]}, path, count)
