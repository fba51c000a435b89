"""Weights of a mix as fractions, and the samples that they ask of a component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm

UNIT = 2**40
NEVER = 2**62


def exact_shares(points: Sequence[Mapping[str, float]]) -> list[dict[str, Fraction]]:
    """Returns the share of each component at each point of a schedule. A float is the decimal that it prints as.

    Shares are exact if the common denominator of all points is at most 2**40. Otherwise they are multiples of 2**-40.
    """
    written = [{name: Fraction(str(weight)) for name, weight in weights.items()} for weights in points]
    shares = [{name: weight / sum(weights.values()) for name, weight in weights.items()} for weights in written]
    unit = lcm(*(share.denominator for of_point in shares for share in of_point.values()))
    return shares if unit <= UNIT else [rounded(of_point) for of_point in shares]


def rounded(shares: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Rounds to multiples of 2**-40 that sum to 1. The rest goes to the largest remainders, ties by name."""
    units = {name: share * UNIT // 1 for name, share in shares.items()}
    missing = UNIT - sum(units.values())
    for name in sorted(units, key=lambda name: (units[name] - shares[name] * UNIT, name))[:missing]:
        units[name] += 1
    return {name: Fraction(number, UNIT) for name, number in units.items()}


def area(curve: Sequence[tuple[int, Fraction]], between: str, place: int) -> Fraction:
    """Returns the samples asked of a component up to a place: the area below its weights."""
    total = Fraction(0)
    for (start, weight), (stop, towards) in pairwise([*curve, (NEVER, curve[-1][1])]):
        width = min(stop, place) - start
        if width > 0:
            slope = (towards - weight) / (stop - start) if between == "linear" else Fraction(0)
            total += width * (weight + slope * width / 2)
    return total


def first_place(start: int, holds: Callable[[int], bool]) -> int:
    """Returns the first place from ``start`` on at which a condition holds, and then always; or ``NEVER``."""
    reach = 1
    while not holds(start + reach):
        reach *= 2
        if reach >= NEVER:
            return NEVER
    low, high = start - 1, start + reach
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
