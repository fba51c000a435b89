"""Draws samples of several components in proportion, whether they are documents or rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineMismatchError, StateError
from resumable_data.opaque import Cursor, Plan
from resumable_data.order.mixture import Targets, draw
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.planning.integers import MIX, named_integers
from resumable_data.planning.planner import Counts, Extent, Saved
from resumable_data.planning.weights import WeightSchedule
from resumable_data.state import At

PlanT = TypeVar("PlanT", DocumentPlan, RowPlan)


@dataclass(frozen=True, eq=False)
class MixCursor:
    """A place in a mix.

    Attributes:
        children: Each component's own cursor.
        weights: The weights in force, by sample.
        following: The weights from the next group of windows on; usually the same.
        pending: How many changes of the weights wait for that group.
        origin: Samples delivered before the present regime.
        counts: Samples that each component has delivered in it.
        exhausted: The components that are exhausted.
    """

    children: tuple[Cursor, ...]
    weights: WeightSchedule
    following: WeightSchedule
    pending: int
    origin: int
    counts: tuple[int, ...]
    exhausted: tuple[bool, ...]

    @property
    def place(self) -> int:
        """Number of samples delivered."""
        return self.origin + sum(self.counts)


@dataclass(frozen=True, eq=False)
class Drawn(Generic[PlanT]):
    """Samples that were drawn together.

    Attributes:
        plan: Their plan.
        components: int64[n], the component of each.
        start: The cursor before them, of their regime.
        after: The cursor after them.
    """

    plan: PlanT
    components: Int64Array
    start: MixCursor
    after: MixCursor


class Mixer(Generic[PlanT]):
    """Draws samples of components in proportion. It keeps no position.

    Args:
        path: The mix's path.
        stage: The name of its settings.
        names: The components, sorted.
        children: Their planners.
        weights: Their weights, as users gave them.
        to_samples: From a boundary of the weights to the sample at which it is, in a run without edits.
        stop: What happens when a component is exhausted.
        endless: Whether no component is ever exhausted.
        join: Joins several plans into one, with its elements in a given order.
    """

    def __init__(
        self,
        path: str,
        stage: str,
        names: Sequence[str],
        children: Sequence[Cursor],
        weights: WeightSchedule,
        to_samples: Callable[[int], int],
        stop: str,
        *,
        endless: bool,
        join: Callable[[Sequence[PlanT], Int64Array], PlanT],
    ) -> None:
        self.children = children
        self._path = path
        self._stage = stage
        self._names = names
        self._weights = weights
        self._to_samples = to_samples
        self._stop = stop
        self._endless = endless
        self._join = join

    def start(self) -> MixCursor:
        """Returns the cursor before the first sample."""
        children = tuple(child.start() for child in self.children)
        weights, count = self._weights.moved(self._to_samples), len(self._names)
        return MixCursor(children, weights, weights, 0, 0, (0,) * count, (False,) * count)

    def draw(self, cursor: MixCursor, size: int) -> Drawn[PlanT]:
        """Draws up to ``size`` samples of one regime; none only at the end of the mix.

        A component counts as exhausted from the first sample that it cannot deliver. The cursor records this with the
        sample that is delivered instead, so that one position has one cursor.
        """
        at = cursor
        while not self._ended(at):
            targets = Targets(at.weights.segments(self._names, self._exhausted(at)), at.origin)
            drawn, short = self._taken(at, draw(targets, at.counts, at.place, size))
            if not short:
                return self._until_finished(at, drawn)
            component, first = min(short.items(), key=lambda item: item[1])
            if first:
                return self._taken(at, drawn.components[:first])[0]
            if self._stop == "first_exhausted":
                break
            at = _without(at, component)
        return self._taken(cursor, np.zeros(0, np.int64))[0]

    def after(self, cursor: MixCursor, components: Int64Array) -> MixCursor:
        """Returns the cursor after samples of these components."""
        return self._taken(cursor, components)[0].after

    def waits(self, cursor: MixCursor) -> bool:
        """Tells whether a change of the weights waits for the next group of windows."""
        return cursor.weights != cursor.following

    def renewed(self, cursor: MixCursor) -> MixCursor:
        """Puts waiting weights in force: a new regime begins if they differ."""
        if cursor.weights == cursor.following:
            return cursor
        counts = (0,) * len(self._names)
        return replace(cursor, weights=cursor.following, pending=0, origin=cursor.place, counts=counts)

    def finished(self, cursor: MixCursor) -> bool:
        """Tells whether the stop policy would have ended the mix, if its components were not endless."""
        weights = dict(cursor.weights.points[-1][1])
        done = [child.finished(at) for name, child, at in self._components(cursor) if weights.get(name)]
        return any(done) if self._stop == "first_exhausted" else all(done)

    def extent(self, cursor: MixCursor) -> Extent | None:
        """Estimates how far the mix is from the end that its stop policy sets."""
        weights = dict(cursor.weights.points[-1][1])
        drawn = [(child, at) for name, child, at in self._components(cursor) if weights.get(name)]
        extents = [child.extent(at) for child, at in drawn]
        finite: list[Extent] = [extent for extent in extents if extent is not None]
        if not finite or (self._stop != "first_exhausted" and len(finite) < len(extents)):
            return None
        done, total = sum(extent.done for extent in finite), sum(extent.total for extent in finite)
        if self._stop == "renormalize":
            return Extent(done, total)
        shares = [extent.done / extent.total for extent in finite]
        share = max(shares) if self._stop == "first_exhausted" else min(shares)
        return Extent(share * total, total)

    def next_epochs(self, cursor: MixCursor) -> dict[str, int | None]:
        """Returns, by component path, the first epoch that lies whole after the cursor; None if there is none."""
        found: dict[str, int | None] = {}
        for child, child_cursor in zip(self.children, cursor.children, strict=True):
            found |= child.next_epochs(child_cursor)
        return found

    def encode(self, cursor: MixCursor) -> dict[str, At]:
        """Returns the components' integers; for the mix, pending changes, origin, exhausted (as bits) and counts."""
        at: dict[str, At] = {}
        for child, child_cursor in zip(self.children, cursor.children, strict=True):
            at |= child.encode(child_cursor)
        exhausted = sum(1 << i for i, is_exhausted in enumerate(cursor.exhausted) if is_exhausted)
        return at | {self._path: (cursor.pending, cursor.origin, exhausted, *cursor.counts)}

    def decode(self, saved: Saved) -> MixCursor:
        """Returns the cursor of a state. The weights may have changed since it was saved.

        Raises:
            StateError: There is no such cursor.
            PipelineMismatchError: A component was removed, but the present group still holds its documents.
        """
        following = self._weights.moved(saved.rows_now if self._by_step else int)
        if self._path not in saved.at:
            return self._joined(saved, following)
        schedules = self._schedules(saved)
        names = schedules[-1].names
        pending, origin, exhausted, *counts = named_integers(saved.at, self._path, MIX + names)
        if exhausted >> len(names):
            raise StateError(
                f"mix {self._path!r}: of {len(names)} components those of bits {exhausted:b} are exhausted"
            )
        if pending >= len(schedules):
            raise StateError(f"mix {self._path!r}: {pending} changes of its weights wait, but they are not recorded")
        known = {name: (count, exhausted >> i & 1) for i, (name, count) in enumerate(zip(names, counts, strict=True))}
        cursor = MixCursor(
            children=tuple(
                child.decode(saved) if name in known else child.start()
                for name, child in zip(self._names, self.children, strict=True)
            ),
            weights=schedules[-1 - pending],
            following=following,
            pending=pending + (schedules[-1] != following),
            origin=origin,
            counts=tuple(known.get(name, (0, 0))[0] for name in self._names),
            exhausted=tuple(bool(known.get(name, (0, 0))[1]) for name in self._names),
        )
        removed = sorted(known.keys() - set(self._names))
        if removed and not saved.in_group:
            nothing = (0,) * len(self._names)
            return replace(cursor, weights=following, pending=0, origin=origin + sum(counts), counts=nothing)
        drawn = [name for name in removed if any(dict(weights).get(name) for _, weights in cursor.weights.points)]
        if drawn:
            raise PipelineMismatchError(
                f"components {drawn} cannot be removed here: the group of windows that is being delivered may "
                "hold their documents. Set their weights to 0 now, and remove them at a later restore",
                tuple(f"component {name!r} was removed" for name in drawn),
            )
        return self._with_more_epochs(cursor)

    def _with_more_epochs(self, cursor: MixCursor) -> MixCursor:
        """Returns the cursor without the exhaustion of components that an edit gave more epochs."""
        exhausted = tuple(
            g and child.finished(at)
            for g, (_, child, at) in zip(cursor.exhausted, self._components(cursor), strict=True)
        )
        if exhausted == cursor.exhausted:
            return cursor
        return replace(cursor, exhausted=exhausted, origin=cursor.place, counts=(0,) * len(exhausted))

    def _joined(self, saved: Saved, weights: WeightSchedule) -> MixCursor:
        """Returns the cursor of a component that ran alone and is now mixed with others.

        Raises:
            PipelineMismatchError: It is not in the mix, so its delivered documents would not be counted.
        """
        if len(saved.at) == 1 and not saved.at.keys() & set(self._names):
            (alone,) = saved.at
            raise PipelineMismatchError(
                f"component {alone!r} cannot be removed here: it ran alone, without a mix. Mix it with others under "
                "this name now, and remove it at a later restore",
                (f"component {alone!r} was removed",),
            )
        children = tuple(
            child.decode(saved) if name in saved.at else child.start()
            for name, child in zip(self._names, self.children, strict=True)
        )
        count = len(self._names)
        return MixCursor(children, weights, weights, 0, saved.rows, (0,) * count, (False,) * count)

    def counts(self, cursor: MixCursor, counts_of: Callable[[Any, Any], dict[str, Counts]]) -> dict[str, Counts]:
        """Counts what each component has delivered, and adds its share in the mix and its target."""
        segments = cursor.weights.segments(self._names, self._exhausted(cursor))
        targets, drawn = Targets(segments, cursor.origin), sum(cursor.counts)
        merged: dict[str, Counts] = {}
        for i, (child, child_cursor) in enumerate(zip(self.children, cursor.children, strict=True)):
            share = cursor.counts[i] / drawn if drawn else 0.0
            target = float(targets.target(i, cursor.place)) / drawn if drawn else 0.0
            for path, counts in counts_of(child, child_cursor).items():
                merged[path] = replace(counts, share=share * counts.share, target=target * counts.target)
        return merged

    @property
    def _by_step(self) -> bool:
        return self._to_samples is not int

    def _schedules(self, saved: Saved) -> list[WeightSchedule]:
        """Returns all weights that the mix has had, oldest first; the last are those of the saved pipeline."""
        given: list[Plan] = [
            edit.before for edit in saved.edits if edit.stage == self._stage and edit.setting == "weights"
        ]
        settings = saved.settings.get(self._stage)
        if settings is None:
            raise StateError(f"mix {self._path!r}: the state holds its position, but not its weights")
        given.append(settings["weights"])
        to_samples = saved.rows_before if self._by_step else int
        try:
            return [WeightSchedule.from_json(weights).moved(to_samples) for weights in given]
        except (ValueError, ZeroDivisionError) as error:
            raise StateError(f"mix {self._path!r}: the state holds impossible weights: {error}") from error

    def _exhausted(self, cursor: MixCursor) -> tuple[str, ...]:
        """Names the exhausted components. The others take their shares."""
        return tuple(name for name, exhausted in zip(self._names, cursor.exhausted, strict=True) if exhausted)

    def _taken(self, cursor: MixCursor, components: Int64Array) -> tuple[Drawn[PlanT], dict[int, int]]:
        """Plans samples of the given components, and finds where a component with too few first lacks one."""
        order = np.argsort(components, kind="stable")
        counts = np.bincount(components, minlength=len(self._names))
        firsts = np.cumsum(counts) - counts
        children: list[Cursor] = list(cursor.children)
        plans: list[PlanT] = []
        short: dict[int, int] = {}
        for i in np.flatnonzero(counts).tolist():
            plan, children[i] = self.children[i].take(cursor.children[i], int(counts[i]))
            plans.append(plan)
            if len(plan) < counts[i]:
                short[i] = int(order[firsts[i] + len(plan)])
        after = replace(
            cursor,
            children=tuple(children),
            counts=tuple((np.array(cursor.counts, np.int64) + counts).tolist()),
        )
        # Sample k of the concatenation stands at place order[k] of the mix.
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        plan = self._join(plans, np.zeros(0, np.int64) if short else place)
        return Drawn(plan, components, cursor, after), short

    def _ended(self, cursor: MixCursor) -> bool:
        """Tells whether nothing is left to draw, as far as the cursor shows it."""
        if self._endless:
            return False
        if self._stop == "renormalize":
            left = set(self._names) - set(self._exhausted(cursor))
            return not any(weight for _, weights in cursor.weights.points for name, weight in weights if name in left)
        return self._stop == "all_exhausted" and self._all_finished(cursor)

    def _until_finished(self, cursor: MixCursor, drawn: Drawn[PlanT]) -> Drawn[PlanT]:
        """Cuts the samples, under ``all_exhausted``, after the one that exhausts the last component."""
        if self._stop != "all_exhausted" or self._endless or not self._all_finished(drawn.after):
            return drawn
        low, high = 0, len(drawn.components)  # finished at `high`, not at `low`
        while high - low > 1:
            middle = (low + high) // 2
            if self._all_finished(self.after(cursor, drawn.components[:middle])):
                high = middle
            else:
                low = middle
        return self._taken(cursor, drawn.components[:high])[0]

    def _all_finished(self, cursor: MixCursor) -> bool:
        """Tells whether every component with a weight has delivered all its epochs."""
        weights = dict(cursor.weights.points[-1][1])
        return all(child.finished(at) or not weights.get(name) for name, child, at in self._components(cursor))

    def _components(self, cursor: MixCursor) -> Iterator[tuple[str, Any, Any]]:
        """Yields the name, the planner and the cursor of each component."""
        return zip(self._names, self.children, cursor.children, strict=True)


def _without(cursor: MixCursor, component: int) -> MixCursor:
    """Returns the cursor of the regime that begins when a component is exhausted."""
    exhausted = tuple(was_exhausted or i == component for i, was_exhausted in enumerate(cursor.exhausted))
    return replace(cursor, exhausted=exhausted, origin=cursor.place, counts=(0,) * len(exhausted))
