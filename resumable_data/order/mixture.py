"""Draws the component of each sample of a mix: exact, and never off target by a whole sample.

Component ``i`` has a cumulative target ``T_i(t)``: the samples that it should deliver among the first ``t``. Its
sample number ``j`` may come after ``T_i`` exceeds ``j``, its *release*. It must come before ``T_i`` reaches
``j + 1``, its *deadline*. The released sample with the earliest deadline is always next. This meets every deadline
(Tijdeman, 1980; Liu and Layland, 1973), so each count is off its target by less than one sample in every prefix.
Weights are integers of one sum, the *unit*, and all arithmetic is on integers.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from heapq import heapify, heappop, heappush
from math import isqrt, lcm
from numbers import Rational

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError

VERSION = 1
MOST_UNITS = 2**40


def exact_weights(
    points: Sequence[Mapping[str, float]], names: Sequence[str], most_units: int = MOST_UNITS
) -> tuple[tuple[int, ...], ...]:
    """Converts weights to integers of one sum: the users' weights over the common denominator of all points.

    A float is the decimal that it is printed as: 0.1 is a tenth. If the sum would exceed 2**40, it is 2**40, and the
    weights are rounded to it by largest remainder, ties by name. Each is then off by less than 2**-40 of the whole.

    Args:
        points: For each point of a schedule, non-negative numbers by component name.
        names: The components, sorted; those without a weight are an error.
        most_units: Another bound on the sum, instead of 2**40.

    Returns:
        The weights of each point, in the order of the names. They sum to the same for every point.

    Raises:
        PipelineError: A weight is negative, not finite, missing or too small to tell from 0, a name is
            unknown, or all weights of a point are 0.

    >>> exact_weights([{"a": 0.1, "b": 0.3}], ["a", "b"])
    ((1, 3),)
    >>> exact_weights([{"a": 1, "b": 2}, {"a": 1, "b": 1}], ["a", "b"])
    ((2, 4), (3, 3))
    """
    shares = [_shares(weights, names) for weights in points]
    unit = min(lcm(*(share.denominator for of_point in shares for share in of_point)), most_units)
    return tuple(_rounded(of_point, unit, names) for of_point in shares)


def _shares(weights: Mapping[str, float], names: Sequence[str]) -> list[Fraction]:
    """Returns each component's share of the whole."""
    unknown, missing = sorted(weights.keys() - set(names)), sorted(set(names) - weights.keys())
    if unknown:
        raise PipelineError(
            f"mix: there are weights of {unknown}, which are not components; the components are {sorted(names)}"
        )
    if missing:
        raise PipelineError(f"mix: components {missing} have no weight; give each one, 0 for one that gives nothing")
    exact = [_fraction(name, weights[name]) for name in names]
    total = sum(exact)
    if total == 0:
        raise PipelineError("mix: all weights are 0")
    return [weight / total for weight in exact]


def _fraction(name: str, weight: float) -> Fraction:
    try:
        exact = Fraction(weight) if isinstance(weight, Rational) else Fraction(str(weight))
    except (ValueError, ZeroDivisionError) as error:
        raise PipelineError(f"mix: the weight of {name!r} is {weight!r}, which is not a finite number") from error
    if exact < 0:
        raise PipelineError(f"mix: the weight of {name!r} is {weight!r}; weights are not negative")
    return exact


def _rounded(shares: Sequence[Fraction], unit: int, names: Sequence[str]) -> tuple[int, ...]:
    """Rounds shares to integers that sum to the unit; exact if it is a multiple of all denominators."""
    exact = [share * unit for share in shares]
    units = [int(weight) for weight in exact]
    by_remainder = sorted(range(len(names)), key=lambda i: (units[i] - exact[i], names[i]))
    for i in by_remainder[: unit - sum(units)]:
        units[i] += 1
    for name, share, rounded in zip(names, shares, units, strict=True):
        if share and not rounded:
            raise PipelineError(f"mix: the weight of {name!r} is below 2**-40 of the whole; leave it out or use 0")
    return tuple(units)


@dataclass(frozen=True)
class Segment:
    """A stretch of samples in which the weights are constant or change linearly.

    Attributes:
        start: Its first sample.
        weights: Weights at ``start``.
        slope_to: Weights at the start of the next segment, towards which these change; equal if constant.
    """

    start: int
    weights: tuple[int, ...]
    slope_to: tuple[int, ...]


@dataclass(frozen=True)
class Targets:
    """Cumulative targets of all components from a sample on.

    Attributes:
        segments: Weights by sample, of one sum; the first begins at 0, the last never ends.
        origin: The sample at which counting starts.
    """

    segments: tuple[Segment, ...]
    origin: int = 0

    def release(self, component: int, sample: int) -> int | None:
        """Returns the first place at which a component's sample may stand; None if it never may."""
        return self._components[component].last_at_most(sample)

    def deadline(self, component: int, sample: int) -> int:
        """Returns the place before which a component's sample must stand; 2**62 if there is no deadline."""
        return self._components[component].first_at_least(sample + 1)

    def target(self, component: int, place: int) -> Fraction:
        """Returns the number of samples that a component should deliver from the origin up to a place."""
        curve = self._components[component]
        return (curve.doubled(place) - curve.doubled(self.origin)) / (2 * self.unit)

    @cached_property
    def unit(self) -> int:
        """The sum of the weights of each segment."""
        return sum(self.segments[0].weights)

    @cached_property
    def _components(self) -> list[_Curve]:
        return [
            _Curve(
                [segment.start for segment in self.segments],
                [segment.weights[i] for segment in self.segments],
                [segment.slope_to[i] for segment in self.segments],
                self.origin,
                self.unit,
            )
            for i in range(len(self.segments[0].weights))
        ]


class _Curve:
    """One component's cumulative target, doubled, and counted in parts of a sample, ``unit`` a sample: exact.

    Within segment k, at x samples after its start, it is
    ``before[k] + 2 * weight[k] * x + (slope_to[k] - weight[k]) * x**2 / span[k]``.
    """

    def __init__(self, starts: list[int], weights: list[int], slope_to: list[int], origin: int, unit: int) -> None:
        self._starts, self._weights, self._slope_to = starts, weights, slope_to
        self._spans = [after - start for start, after in itertools.pairwise(starts)] + [1]
        self._before = [0]
        for weight, towards, span in zip(weights[:-1], slope_to[:-1], self._spans[:-1], strict=True):
            self._before.append(self._before[-1] + (weight + towards) * span)
        at_origin = self.doubled(origin)
        self._shift, self._scale = at_origin.numerator, at_origin.denominator
        self._constant = len(starts) == 1
        self._origin = origin
        self._unit = unit

    def doubled(self, place: int) -> Fraction:
        """Returns the doubled cumulative target at a place."""
        k = bisect_right(self._starts, place) - 1
        x = place - self._starts[k]
        bend = Fraction((self._slope_to[k] - self._weights[k]) * x * x, self._spans[k])
        return self._before[k] + 2 * self._weights[k] * x + bend

    def last_at_most(self, samples: int) -> int | None:
        """Finds the last place at which the target is at most ``samples``; None if it never exceeds them."""
        if self._constant:
            weight = self._weights[0]
            return self._origin + samples * self._unit // weight if weight else None
        # The level is kept as a multiple of 1 / scale, so that a fractional target at the origin stays exact.
        level = 2 * self._unit * samples * self._scale + self._shift
        k = self._segment_of(level, inclusive=True)
        x = self._solve(k, level)
        return None if x is None else self._starts[k] + x

    def first_at_least(self, samples: int) -> int:
        """Finds the first place at which the target is at least ``samples``; 2**62 if there is none."""
        if self._constant:
            weight = self._weights[0]
            return self._origin - (-samples * self._unit // weight) if weight else 2**62
        level = 2 * self._unit * samples * self._scale + self._shift
        k = self._segment_of(level, inclusive=False)
        x = self._solve(k, level, below=True)
        return 2**62 if x is None else self._starts[k] + x + 1

    def _segment_of(self, level: int, *, inclusive: bool) -> int:
        """Finds the last segment that begins at or below a level (below it, unless inclusive)."""
        k = len(self._starts) - 1
        while k and (
            self._before[k] * self._scale > level or (not inclusive and self._before[k] * self._scale == level)
        ):
            k -= 1
        return k

    def _solve(self, k: int, level: int, *, below: bool = False) -> int | None:
        """Finds the largest x at which the target in segment k is at most ``level / scale``, or ``below`` it."""
        span, scale = self._spans[k], self._scale
        # In parts of 1 / (scale * span), in which every target is an integer.
        room = (level - self._before[k] * scale) * span - below
        linear, square = 2 * self._weights[k] * span * scale, (self._slope_to[k] - self._weights[k]) * scale
        if linear == 0 and square == 0:
            return None
        if square == 0:
            return room // linear
        # square * x**2 + linear * x <= room, on the rising side of the parabola.
        root = isqrt(max(linear * linear + 4 * square * room, 0))
        x = (root - linear) // (2 * square) if square > 0 else (linear - root) // (-2 * square)
        while square * (x + 1) ** 2 + linear * (x + 1) <= room and (square > 0 or x < span):
            x += 1
        while square * x * x + linear * x > room:
            x -= 1
        return x


def draw(targets: Targets, counts: Sequence[int], place: int, size: int) -> Int64Array:
    """Draws the components of the next samples.

    Args:
        targets: Cumulative targets.
        counts: Samples that each component has delivered since the targets' origin.
        place: The place of the next sample; ``targets.origin + sum(counts)``.
        size: Number of samples to draw.

    Returns:
        int64[size], the component of each.

    >>> three_to_one = Targets((Segment(0, (3, 1), (3, 1)),))
    >>> draw(three_to_one, [0, 0], 0, 8).tolist()
    [0, 0, 0, 1, 0, 0, 0, 1]
    """
    following = list(counts)
    waiting: list[tuple[int, int]] = []  # (release, component)
    ready: list[tuple[int, int]] = []  # (deadline, component)
    for component, sample in enumerate(following):
        release = targets.release(component, sample)
        if release is not None:
            waiting.append((release, component))
    heapify(waiting)
    drawn = np.empty(size, np.int64)
    for at in range(size):
        while waiting and waiting[0][0] <= place + at:
            component = heappop(waiting)[1]
            heappush(ready, (targets.deadline(component, following[component]), component))
        component = heappop(ready)[1]
        drawn[at] = component
        following[component] += 1
        release = targets.release(component, following[component])
        if release is not None:
            heappush(waiting, (release, component))
    return drawn
