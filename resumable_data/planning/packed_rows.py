"""Rows of documents, group by group: the planner of pack and pad."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from typing_extensions import override

from resumable_data.delivered import COUNTED, Delivered
from resumable_data.errors import PipelineMismatchError, ResumableDataError, SourceError, StateError
from resumable_data.opaque import Cursor
from resumable_data.packing.plan import RowPlan, concatenate
from resumable_data.packing.window import PackedWindow
from resumable_data.planning.group_cache import GroupCache
from resumable_data.planning.groups import DocumentGroups
from resumable_data.planning.integers import DELIVERED, GROUP, GROUP_OF_MIX, is_mix, take_last
from resumable_data.planning.packed_group import Cut, GroupPacker, LengthSource, PackedGroup, Packing
from resumable_data.planning.planner import Counts, Extent, RowPlanner, Saved
from resumable_data.state import At

_Group = tuple[Cursor, tuple[int, int], tuple[Cut, ...]]
"""What decides a group: where it begins, its shards and documents if known, and where its row length changed."""


@dataclass(frozen=True)
class PackingReport:
    """Counts that say how well windows of documents fill their rows.

    Attributes:
        windows: Windows that were packed.
        rows: Their rows.
        documents: Their documents without dropped ones.
        dropped: Documents that a filter or a bad record leaves out.
        split: Documents that lie in more than one row.
        tokens: Tokens in the rows.
        truncated: Tokens that were cut off the documents in these rows, here or by ``tokenize``.
        scored: The learnt ones of these tokens: all, or those that a loss mask lets count.
        most_documents: Most documents in one row.
        padding: Share of the cells that hold padding, 0 to 1.
    """

    windows: int
    rows: int
    documents: int
    dropped: int
    split: int
    tokens: int
    truncated: int
    scored: int
    most_documents: int
    padding: float


@dataclass(frozen=True)
class RowCursor:
    """A place in a component's rows.

    Attributes:
        at: The place where the group begins.
        row: Delivered rows of the group. If there is one, a change of the pipeline takes effect with the next group.
        rows_before: Rows delivered before the group.
        before: What each component delivered before the group.
        kept: The logical shards and the documents of the group, as a state says, if an edit may have changed them
            for later groups; (0, 0) for a group as the pipeline says.
        cuts: Where the length of the group's rows changed, ascending.
        groups: The groups whose rows led here. They are kept, so that who asks for the state of this place need not
            measure them again.
    """

    at: Cursor
    row: int
    rows_before: int
    before: tuple[Delivered, ...]
    kept: tuple[int, int] = (0, 0)
    cuts: tuple[Cut, ...] = ()
    groups: tuple[PackedGroup, ...] = field(default=(), compare=False, repr=False)


class PackedRows(RowPlanner[RowCursor]):
    """Plans rows of groups of windows.

    Args:
        groups: The documents.
        path: The component's path, or that of the mix whose documents are packed.
        packing: How documents become rows.
        lengths: Tells their lengths.
    """

    def __init__(self, groups: DocumentGroups[Cursor], path: str, packing: Packing, lengths: LengthSource) -> None:
        self._documents = groups
        self._path = path
        self._lengths = lengths
        self._packing = packing
        self._groups = GroupCache[_Group, PackedGroup](self._plan)

    @override
    def start(self) -> RowCursor:
        return RowCursor(self._documents.start(), 0, 0, (Delivered(),) * len(self._documents.components))

    @override
    def take(self, cursor: RowCursor, count: int) -> tuple[RowPlan, RowCursor]:
        plans: list[RowPlan] = []
        groups: list[PackedGroup] = []
        searched_from = cursor
        while count:
            group = self._group(cursor)
            if group is None:
                break
            groups.append(group)
            taken = group.packed.plan.slice(cursor.row, min(cursor.row + count, group.rows))
            plans.append(taken)
            count -= len(taken)
            cursor = replace(cursor, row=cursor.row + len(taken))
            if not self._lengths.known and 2 * cursor.row >= group.rows:
                self._groups.prepare((group.after, (0, 0), ()), self._lengths.run_ahead)
            if cursor.row == group.rows:
                cursor = self._after(cursor, group)
            if group.rows:
                searched_from = cursor
            elif self._documents.nothing_between(searched_from.at, cursor.at):
                raise SourceError(self._no_rows(searched_from, cursor))
        cursor = replace(cursor, groups=tuple(groups))
        return (concatenate(plans) if plans else RowPlan.empty(0)), cursor

    def report(self, windows: int) -> PackingReport:
        """Reports on the groups of the first ``windows`` windows. Known lengths need no reading."""
        packed: list[PackedWindow] = []
        at, found = self._documents.start(), 0
        while found < windows:
            group = self._groups.get((at, (0, 0), ()))
            if group is None:
                break
            packed.append(group.packed)
            at, found = group.after, found + group.windows
        dropped = sum(len(window.dropped) for window in packed)
        rows = sum(len(window.plan) for window in packed)
        tokens = sum(int(window.plan.length.sum()) for window in packed)
        counted = _sum_counts(packed)
        if not self._packing.masked:
            counted["scored"] = tokens
        return PackingReport(
            windows=found,
            rows=rows,
            documents=sum(window.size for window in packed) - dropped,
            dropped=dropped,
            split=sum(window.split for window in packed),
            tokens=tokens,
            **counted,
            most_documents=max((int(np.diff(window.plan.rows).max(initial=0)) for window in packed), default=0),
            padding=1 - tokens / (rows * self._packing.length) if rows else 0.0,
        )

    @override
    def encode(self, cursor: RowCursor) -> dict[str, At]:
        at, group = self._documents.encode(cursor.at), self._current(cursor)
        digest = 0 if group is None else group.lengths_digest
        at[self._path] = (*at[self._path], cursor.row, self.position(cursor), digest)
        if is_mix(self._path):
            kept = (0, 0) if group is None else (cursor.kept[0] or self._documents.shards, group.packed.size)
            at[self._path] = (*at[self._path], *kept)
        for path, delivered in zip(self._documents.components.values(), _delivered(cursor, group), strict=True):
            at[path] = (*at[path], *delivered[1:])
        return at

    @override
    def decode(self, saved: Saved) -> RowCursor:
        at = dict(saved.at)
        # A component that was added later has delivered nothing.
        delivered = [
            Delivered(0, *take_last(at, path, DELIVERED)) if path in at else Delivered()
            for path in self._documents.components.values()
        ]
        kept = (0, 0)
        if is_mix(self._path):
            row, rows, digest, *kept = take_last(at, self._path, GROUP_OF_MIX)
        else:
            row, rows, digest = take_last(at, self._path, GROUP)
        place = self._documents.decode(replace(saved, at=at, in_group=saved.in_group or bool(row)))
        if not row:
            return RowCursor(self._documents.renewed(place), 0, rows, tuple(delivered))
        cuts = self._cuts(saved, rows, row)
        cursor = RowCursor(place, row, rows - row, tuple(delivered), (kept[0], kept[1]), cuts)
        within = self._check_row(cursor, digest, saved)
        before = tuple(total.minus(own) for total, own in zip(delivered, within, strict=True))
        if rows < row or any(count < 0 for counts in before for count in counts):
            raise StateError(f"component {self._path!r}: less was delivered than row {row} of its group says")
        group = self._current(cursor)
        return replace(cursor, before=before, groups=() if group is None else (group,))

    @override
    def position(self, cursor: RowCursor) -> int:
        return cursor.rows_before + cursor.row

    @override
    def finished(self, cursor: RowCursor) -> bool:
        return self._documents.finished(cursor.at)

    @override
    def epoch(self, cursor: RowCursor) -> int | None:
        if self._documents.epoch(cursor.at) is not None:
            with suppress(ResumableDataError):  # The call for the next row raises it.
                cursor = self._after_empty(cursor)
        return self._documents.epoch(cursor.at)

    @override
    def epoch_begun(self, cursor: RowCursor) -> int | None:
        return self._documents.epoch(cursor.at)

    @override
    def extent(self, cursor: RowCursor) -> Extent | None:
        start = self._documents.extent(cursor.at)
        group = self._current(cursor)
        if start is None or group is None:
            return start
        return Extent(start.done + cursor.row / group.rows * group.packed.size, start.total)

    @override
    def next_epochs(self, cursor: RowCursor) -> dict[str, int | None]:
        group = self._current(cursor)
        return self._documents.next_epochs(cursor.at if group is None else group.end)

    @override
    def counts(self, cursor: RowCursor, *, ended: bool) -> dict[str, Counts]:
        if ended:
            cursor = self._after_empty(cursor)
        group = self._current(cursor)
        share = cursor.row / group.rows if group else 0.0
        at_start = self._documents.counts(cursor.at)
        at_end = self._documents.counts(group.end) if group else at_start
        counted: dict[str, Counts] = {}
        components = self._documents.components.values()
        for path, delivered in zip(components, _delivered(cursor, group), strict=True):
            start, end = at_start[path], at_end[path]
            rows = self.position(cursor) if path == self._path else 0
            counted[path] = replace(
                end,
                **{**delivered._asdict(), "rows": rows, "scored": self._scored(delivered)},
                epochs=start.epochs + share * (end.epochs - start.epochs),
            )
        return counted

    def _group(self, cursor: RowCursor) -> PackedGroup | None:
        """Returns the group at a cursor; None at the end."""
        return self._groups.get((cursor.at, cursor.kept, cursor.cuts))

    def _plan(self, group: _Group) -> PackedGroup | None:
        at, (shards, size), cuts = group
        documents = self._documents.with_shards(shards) if shards else self._documents
        return GroupPacker(documents, self._path, self._packing, self._lengths).plan(at, size, cuts)

    def _cuts(self, saved: Saved, rows: int, row: int) -> tuple[Cut, ...]:
        """Returns the rows of the group in progress at which the run changed their length.

        Args:
            saved: The state.
            rows: Rows delivered.
            row: Rows of the group among them.

        Raises:
            PipelineMismatchError: This restore changes the length, but documents are truncated to it.
            StateError: The edits of the state do not come one after the other.
        """
        changed = [
            Cut(edit.counts[self._path].rows - (rows - row), cast(int, edit.before))
            for edit in saved.edits
            if edit.is_row_length and edit.counts is not None and self._path in edit.counts
        ]
        if saved.row_length_before is not None:
            if self._packing.truncates:
                raise PipelineMismatchError(
                    f"component {self._path!r}: the row length cannot be changed here, because documents are "
                    f"truncated to it and {row} rows of a group of windows are delivered. It can be changed at a "
                    "step at which a group ends, or in a new run",
                    (f"{self._path}: the row length was {saved.row_length_before}",),
                )
            changed.append(Cut(row, saved.row_length_before))
        cuts: list[Cut] = []
        for cut in changed:
            if cut.row > row or (cuts and cut.row < cuts[-1].row):
                raise StateError(f"component {self._path!r}: its row length changed at row {cut.row} of {row}")
            # Where no row was delivered in between, the last length alone counts.
            if cut.row > 0 and not (cuts and cuts[-1].row == cut.row):
                cuts.append(cut)
        return tuple(cuts)

    def _check_row(self, cursor: RowCursor, lengths_digest: int, saved: Saved) -> Sequence[Delivered]:
        """Counts what the rows of the group before the cursor deliver; raises if there are no rows after them.

        Args:
            cursor: A place within a group.
            lengths_digest: The digest of the lengths of its documents when the state was saved.
            saved: The state.
        """
        shards, size = cursor.kept
        of_run = saved.settings.get("batch", {}).get("shards", 1)
        if shards not in (0, 1, of_run) or (is_mix(self._path) and not (shards and size)):
            raise StateError(f"component {self._path!r}: there is no group of {size} documents in {shards} shards")
        group = self._group(cursor)
        if group is not None and not self._documents.continues(group.after, saved):
            raise PipelineMismatchError(
                f"the epochs of {sorted(saved.epochs_before)} cannot be changed here: one of these components "
                "ends in the group of windows that is being delivered. Restore an earlier or a later checkpoint",
                tuple(f"{path}: repeat.epochs" for path in sorted(saved.epochs_before)),
            )
        if group is not None and group.lengths_digest != lengths_digest:
            raise PipelineMismatchError(
                f"component {self._path!r}: documents of the group of windows that is being delivered have other "
                "lengths than when the state was saved. The rows of it that were delivered cannot be found again. "
                "Either the documents changed and no fingerprint shows it, or what makes tokens of them (a "
                "tokenizer, a function, a package) gives other results. Restore with those that saved the state",
                (f"{self._path}: lengths of documents",),
            )
        rows = 0 if group is None else group.rows
        if group is None or cursor.row >= rows or group.packed.size != (size or group.packed.size):
            raise StateError(
                f"component {self._path!r}: a group of windows has {rows} rows; there is no row {cursor.row}"
            )
        return group.delivered(cursor.row)

    def _current(self, cursor: RowCursor) -> PackedGroup | None:
        """Returns the group that is delivered in part; None between groups."""
        return self._group(cursor) if cursor.row else None

    def _after(self, cursor: RowCursor, group: PackedGroup) -> RowCursor:
        """Returns the cursor after a group that ends before ``cursor``: one position has one cursor."""
        delivered = tuple(
            before.plus(own) for before, own in zip(cursor.before, group.delivered(cursor.row), strict=True)
        )
        if not all(own.documents for own in delivered):
            # In a mix of many components, this count is half the cost of a group.
            drawn = self._documents.counts(group.after)
            for path, own in zip(self._documents.components.values(), delivered, strict=True):
                if not own.documents and drawn[path].epochs >= 1:
                    raise SourceError(name_no_document(path, drawn[path].documents, own.dropped))
        return RowCursor(group.after, 0, self.position(cursor), delivered)

    def _after_empty(self, cursor: RowCursor) -> RowCursor:
        """Returns the cursor after the groups without rows at the end of the data."""
        searched_from = cursor.at
        while not cursor.row and (group := self._group(cursor)) and not group.rows:
            cursor = self._after(cursor, group)
            if self._documents.nothing_between(searched_from, cursor.at):
                break  # The call for the next row raises it.
        return cursor

    def _scored(self, delivered: Delivered) -> int | None:
        """Returns the number of learnt tokens; None if it depends on a mask that was not read."""
        if not self._packing.masked:
            return delivered.tokens
        return None if self._lengths.known else delivered.scored

    def _no_rows(self, start: RowCursor, stop: RowCursor) -> str:
        """Words the error that no document between two places has a token."""
        before, after = self._documents.counts(start.at), self._documents.counts(stop.at)
        documents = sum(after[path].documents - before[path].documents for path in after)
        dropped = sum(one.dropped - other.dropped for one, other in zip(stop.before, start.before, strict=True))
        return name_no_document(self._path, documents, dropped)


def _delivered(cursor: RowCursor, group: PackedGroup | None) -> tuple[Delivered, ...]:
    """Returns what each component has delivered up to a cursor, within a group or between groups."""
    if group is None:
        return cursor.before
    return tuple(before.plus(own) for before, own in zip(cursor.before, group.delivered(cursor.row), strict=True))


def name_no_document(path: str, documents: int, dropped: int) -> str:
    """Words the error about a component of which a whole epoch delivers nothing."""
    text = f"component {path!r}: {documents} documents have no token, as many as an epoch has, or more"
    if dropped:
        text += (
            f"; filter, skip_bad_records or drop_unscored leaves out {dropped} of them. Iterate over the documents "
            "before it, and look at what it says of them"
        )
    return text


def _sum_counts(packed: Sequence[PackedWindow]) -> dict[str, int]:
    """Sums the counts of all documents, by name."""
    sums = [sum(column) for column in zip(*(window.counts.sum(axis=0).tolist() for window in packed), strict=True)]
    return dict(zip(COUNTED, sums or [0] * len(COUNTED), strict=True))
