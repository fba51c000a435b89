"""The weights of a mix: as users write them, and by sample."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from numbers import Real
from typing import Any, cast

import numpy as np

from resumable_data.arguments import as_choice, as_integer, as_text, is_bool, kind_of, shown
from resumable_data.digest import Json
from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonObject
from resumable_data.order.mixture import Segment, exact_weights

Weights = Mapping[str, float]


@dataclass(frozen=True, init=False)
class WeightSchedule:
    """Weights of a mix that change over a run.

    A float is the decimal that it is printed as: 0.1 is a tenth. The shares of the components are exact if all points
    have a common denominator of at most 2**40. If not, they are rounded to multiples of 2**-40.

    Args:
        points: From a boundary to the weights from there on. Boundaries are batch steps in a mix of
            rows, and positions, which are documents drawn from the mix, in a mix of documents. The first is 0.
        between: ``"constant"`` keeps the weights of a point up to the next; ``"linear"`` lets them change
            evenly, sample by sample, from each point to the next.

    Raises:
        PipelineError: There is no point 0, a boundary is not a natural number, or a weight is impossible.

    >>> WeightSchedule({0: {"web": 1, "code": 0}, 1000: {"web": 1, "code": 1}}, between="linear").names
    ('code', 'web')
    """

    points: tuple[tuple[int, tuple[tuple[str, float], ...]], ...]
    between: str

    def __init__(self, points: Mapping[int, Weights], between: str = "constant") -> None:
        as_choice("WeightSchedule: between", between, ("constant", "linear"))
        if not isinstance(cast(object, points), Mapping):
            raise PipelineError(
                f"WeightSchedule: points={shown(points)} must be a mapping from boundaries to weights, as "
                "{0: {'web': 3, 'code': 1}, 1000: {'web': 1, 'code': 1}}"
            )
        by_boundary = {as_integer("WeightSchedule: boundary", at): points[at] for at in points}
        if 0 not in by_boundary or min(by_boundary) < 0:
            raise PipelineError(
                f"WeightSchedule: points {sorted(by_boundary)} are natural numbers, the first of them 0"
            )
        ordered = tuple((at, _sorted(weights)) for at, weights in sorted(by_boundary.items()))
        object.__setattr__(self, "points", ordered)
        object.__setattr__(self, "between", between)
        self.segments(self.names, ())

    @property
    def names(self) -> tuple[str, ...]:
        """The components, sorted."""
        return tuple(name for name, _ in self.points[0][1])

    def moved(self, boundary: Callable[[int], int]) -> WeightSchedule:
        """Returns the same weights at other boundaries, such as the first rows of steps."""
        if len(self.points) == 1:
            return self
        moved = object.__new__(WeightSchedule)
        object.__setattr__(moved, "points", tuple((boundary(point), weights) for point, weights in self.points))
        object.__setattr__(moved, "between", self.between)
        return moved

    def segments(self, names: Sequence[str], exhausted: Collection[str]) -> tuple[Segment, ...]:
        """Returns exact weights by sample, of ``names`` in their order; those that are ``exhausted`` have none.

        Raises:
            PipelineError: The weights that are left are all 0 somewhere.
        """
        return _segments(self, tuple(names), tuple(exhausted))

    def to_json(self) -> dict[str, Json]:
        """Returns the schedule as JSON values."""
        points = [[point, {name: _number(weight) for name, weight in weights}] for point, weights in self.points]
        return {"between": self.between, "points": points}

    @classmethod
    def from_json(cls, given: JsonObject) -> WeightSchedule:
        """Makes the schedule that ``to_json`` returned."""
        points = {
            point: {name: Fraction(w) if isinstance(w, str) else w for name, w in weights.items()}
            for point, weights in given["points"]
        }
        return cls(points, given["between"])  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=64)
def _segments(schedule: WeightSchedule, names: tuple[str, ...], exhausted: tuple[str, ...]) -> tuple[Segment, ...]:
    left = set(names) - set(exhausted)
    points: list[Mapping[str, float]] = []
    for _, weights in schedule.points:
        of_left = {name: weight for name, weight in weights if name in left}
        if exhausted and not any(of_left.values()):
            # A point that gives nothing to those that are left cannot stop them: they share alike.
            of_left = dict.fromkeys(left, 1)
        points.append(dict.fromkeys(names, 0) | of_left)
    exact = exact_weights(points, names)
    towards = exact[1:] + exact[-1:] if schedule.between == "linear" else exact
    starts = [start for start, _ in schedule.points]
    # Points in steps may meet at one row. The last one holds there.
    return tuple(
        Segment(start, weights, slope)
        for i, (start, weights, slope) in enumerate(zip(starts, exact, towards, strict=True))
        if i + 1 == len(starts) or starts[i + 1] > start
    )


def _sorted(weights: object) -> tuple[tuple[str, float], ...]:
    """Sorts weights by name, and turns NumPy's numbers into Python's, so that a state is the same with both."""
    if not isinstance(weights, Mapping):
        raise PipelineError(
            f"mix: weights are numbers by the name of a component, as {{'web': 3, 'code': 1}}, not {kind_of(weights)}"
        )
    given = cast(Mapping[object, Any], weights)
    if not given:
        raise PipelineError("mix: there are no weights; give a number for each component, or leave them out")
    names = sorted(as_text("mix: the name of a weight", name) for name in given)
    return tuple((name, _as_weight(name, given[name])) for name in names)


def _as_weight(name: str, weight: object) -> Any:
    if is_bool(weight) or not isinstance(weight, Real | Decimal):
        raise PipelineError(
            f"mix: the weight of {name!r} is {shown(weight)}: it must be a number, not {kind_of(weight)}"
        )
    if isinstance(weight, np.floating):
        return float(str(weight))  # the decimal that it is printed as, as for a float of Python
    return int(weight) if isinstance(weight, np.integer) else weight


def _number(weight: object) -> Json:
    return weight if isinstance(weight, int | float) else str(weight)
