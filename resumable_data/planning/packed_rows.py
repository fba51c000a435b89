"""Rows of documents, group by group: the planner of pack and pad."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from typing_extensions import override

from resumable_data.delivered import COUNTED, Delivered
from resumable_data.errors import PipelineMismatchError, ResumableDataError, SourceError, StateError
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.packing.window import PackedWindow
from resumable_data.planning.group_cache import GroupCache
from resumable_data.planning.groups import DocumentGroups
from resumable_data.planning.integers import DELIVERED, GROUP, take_last
from resumable_data.planning.packed_group import GroupPacker, LengthSource, PackedGroup, Packing
from resumable_data.planning.planner import Counts, Extent, RowPlanner, Saved
from resumable_data.state import At


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


@dataclass(frozen=True)
class RowCursor:
    """Where a component's rows are.

    Attributes:
        at: Where the group begins.
        row: Rows of the group that are delivered. Once there is one, what is changed about the pipeline begins with
            the next group.
        rows_before: Rows delivered before the group.
        before: What was delivered before the group, of each component.
    """

    at: Any
    row: int
    rows_before: int
    before: tuple[Delivered, ...]


class PackedRows(RowPlanner[RowCursor]):
    """Plans rows of groups of windows.

    Args:
        groups: The documents.
        path: The component's path, or that of the mix whose documents are packed.
        packing: How they become rows.
        lengths: How long they are.
    """

    def __init__(self, groups: DocumentGroups[Any], path: str, packing: Packing, lengths: LengthSource) -> None:
        self._documents = groups
        self._path = path
        self._row_length = packing.length
        self._lengths = lengths
        self._groups = GroupCache[Any, PackedGroup | None](GroupPacker(groups, path, packing, lengths).plan)

    @override
    def start(self) -> RowCursor:
        return RowCursor(self._documents.start(), 0, 0, (Delivered(),) * len(self._documents.components))

    @override
    def take(self, cursor: RowCursor, count: int) -> tuple[RowPlan, RowCursor]:
        plans: list[RowPlan] = []
        searched_from = cursor.at
        while count:
            group = self._groups.get(cursor.at)
            if group is None:
                break
            taken = group.packed.plan.slice(cursor.row, min(cursor.row + count, group.rows))
            plans.append(taken)
            count -= len(taken)
            cursor = replace(cursor, row=cursor.row + len(taken))
            if not self._lengths.known and 2 * cursor.row >= group.rows:
                self._groups.prepare(group.after, self._lengths.run_ahead)
            if cursor.row == group.rows:
                cursor = self._after(cursor, group)
            if group.rows:
                searched_from = cursor.at
            elif self._documents.nothing_between(searched_from, cursor.at):
                raise SourceError(self._no_rows(cursor))
        return (concatenate(plans) if plans else RowPlan.empty(0)), cursor

    def report(self, windows: int) -> PackingReport:
        """What the groups of the first so many windows look like, without reading a token where lengths are known."""
        packed: list[PackedWindow] = []
        at, found = self._documents.start(), 0
        while found < windows:
            group = self._groups.get(at)
            if group is None:
                break
            packed.append(group.packed)
            at, found = group.after, found + group.windows
        dropped = sum(len(window.dropped) for window in packed)
        rows = sum(len(window.plan) for window in packed)
        tokens = sum(int(window.plan.length.sum()) for window in packed)
        return PackingReport(
            windows=found,
            rows=rows,
            documents=sum(window.size for window in packed) - dropped,
            dropped=dropped,
            split=sum(window.split for window in packed),
            tokens=tokens,
            **_sum_counts(packed),
            padding=1 - tokens / (rows * self._row_length) if rows else 0.0,
        )

    @override
    def encode(self, cursor: RowCursor) -> dict[str, At]:
        at = self._documents.encode(cursor.at)
        at[self._path] = (*at[self._path], cursor.row, self.position(cursor))
        for path, delivered in zip(self._documents.components.values(), self._delivered(cursor), strict=True):
            at[path] = (*at[path], *delivered[1:])
        return at

    @override
    def decode(self, saved: Saved) -> RowCursor:
        at = dict(saved.at)
        # A component that was added since has delivered nothing.
        delivered = [
            Delivered(0, *take_last(at, path, DELIVERED)) if path in at else Delivered()
            for path in self._documents.components.values()
        ]
        row, rows = take_last(at, self._path, GROUP)
        place = self._documents.decode(replace(saved, at=at, in_group=saved.in_group or bool(row)))
        if not row:
            return RowCursor(self._documents.renewed(place), 0, rows, tuple(delivered))
        within = self._check_row(place, row, saved)
        before = tuple(total.minus(own) for total, own in zip(delivered, within, strict=True))
        if rows < row or any(count < 0 for counts in before for count in counts):
            raise StateError(f"component {self._path!r}: less was delivered than row {row} of its group says")
        return RowCursor(place, row, rows - row, before)

    @override
    def position(self, cursor: RowCursor) -> int:
        return cursor.rows_before + cursor.row

    @override
    def finished(self, cursor: RowCursor) -> bool:
        return self._documents.finished(cursor.at)

    @override
    def epoch(self, cursor: RowCursor) -> int | None:
        if self._documents.epoch(cursor.at) is not None:
            with suppress(ResumableDataError):  # Whoever asks for the next row will be told.
                cursor = self._after_empty(cursor)
        return self._documents.epoch(cursor.at)

    @override
    def extent(self, cursor: RowCursor) -> Extent | None:
        start = self._documents.extent(cursor.at)
        group = self._current(cursor)
        if start is None or group is None:
            return start
        return Extent(start.done + cursor.row / group.rows * group.packed.size, start.total)

    @override
    def counts(self, cursor: RowCursor, *, ended: bool) -> dict[str, Counts]:
        if ended:
            cursor = self._after_empty(cursor)
        group = self._current(cursor)
        share = cursor.row / group.rows if group else 0.0
        at_start = self._documents.counts(cursor.at)
        at_end = self._documents.counts(group.after) if group else at_start
        counted: dict[str, Counts] = {}
        components = self._documents.components.values()
        for path, delivered in zip(components, self._delivered(cursor), strict=True):
            start, end = at_start[path], at_end[path]
            counted[path] = replace(
                end,
                **delivered._replace(rows=self.position(cursor) if path == self._path else 0)._asdict(),
                epochs=start.epochs + share * (end.epochs - start.epochs),
            )
        return counted

    def _check_row(self, at: Any, row: int, saved: Saved) -> Sequence[Delivered]:
        """What so many rows of the group that begins here deliver; raises unless there are more rows than that."""
        group = self._groups.get(at)
        if group is not None and not self._documents.continues(group.after, saved):
            raise PipelineMismatchError(
                f"the epochs of {sorted(saved.epochs_before)} cannot be changed here: one of these components "
                "ends in the group of windows that is being delivered. Restore an earlier or a later checkpoint",
                tuple(f"{path}: repeat.epochs" for path in sorted(saved.epochs_before)),
            )
        if group is None or row >= group.rows:
            rows = 0 if group is None else group.rows
            raise StateError(f"component {self._path!r}: a group of windows has {rows} rows; there is no row {row}")
        return group.delivered(row)

    def _current(self, cursor: RowCursor) -> PackedGroup | None:
        """The group of which rows were delivered, but not all; None between groups."""
        return self._groups.get(cursor.at) if cursor.row else None

    def _after(self, cursor: RowCursor, group: PackedGroup) -> RowCursor:
        """The cursor after a group, whose last row is that before ``cursor``: one position has one cursor."""
        delivered = tuple(
            before.plus(own) for before, own in zip(cursor.before, group.delivered(cursor.row), strict=True)
        )
        if not all(own.documents for own in delivered):
            # Of a mix of many components, to count what was drawn is half the cost of a group.
            drawn = self._documents.counts(group.after)
            for path, own in zip(self._documents.components.values(), delivered, strict=True):
                if not own.documents and drawn[path].epochs >= 1:
                    raise SourceError(name_no_document(path, drawn[path].documents, own.dropped))
        return RowCursor(group.after, 0, self.position(cursor), delivered)

    def _after_empty(self, cursor: RowCursor) -> RowCursor:
        """The cursor after the groups without rows that end the data, which no row will tell of."""
        searched_from = cursor.at
        while not cursor.row and (group := self._groups.get(cursor.at)) and not group.rows:
            cursor = self._after(cursor, group)
            if self._documents.nothing_between(searched_from, cursor.at):
                break  # Whoever asks for the next row will be told.
        return cursor

    def _delivered(self, cursor: RowCursor) -> tuple[Delivered, ...]:
        """What was delivered up to the cursor of each component."""
        group = self._current(cursor)
        if group is None:
            return cursor.before
        return tuple(before.plus(own) for before, own in zip(cursor.before, group.delivered(cursor.row), strict=True))

    def _no_rows(self, cursor: RowCursor) -> str:
        drawn: Mapping[str, Counts] = self._documents.counts(cursor.at)
        documents = sum(counts.documents for counts in drawn.values())
        return name_no_document(self._path, documents, sum(delivered.dropped for delivered in cursor.before))


def name_no_document(path: str, documents: int, dropped: int) -> str:
    """What an error says of a component of which a whole epoch gives nothing to deliver."""
    text = f"component {path!r}: {documents} documents have no token, as many as an epoch has, or more"
    if dropped:
        text += (
            f"; filter or skip_bad_records leaves out {dropped} of them. Iterate over the documents before the "
            "filter, and look at what its predicate says of them"
        )
    return text


def _sum_counts(packed: Sequence[PackedWindow]) -> dict[str, int]:
    """What is counted of all documents, by name."""
    sums = [sum(column) for column in zip(*(window.counts.sum(axis=0).tolist() for window in packed), strict=True)]
    return dict(zip(COUNTED, sums or [0] * len(COUNTED), strict=True))
