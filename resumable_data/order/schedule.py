"""Batch sizes that change over a run: from a step to its rows and back, by arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, cast

from resumable_data.arguments import as_choice, as_integer, optional, shown
from resumable_data.errors import PipelineError

_MOST_SIZES = 2**16


@dataclass(frozen=True)
class Stretch:
    """Steps of one batch size.

    Attributes:
        step: The first step.
        row: The first row of that step.
        size: Rows a global batch.
    """

    step: int
    row: int
    size: int


@dataclass(frozen=True, init=False)
class BatchSchedule:
    """The global batch size of every step.

    The factor of the largest boundary that is not after a step applies to it; boundaries are inclusive, and
    factors do not multiply up. Every new size is compiled once by JAX.

    Args:
        size: Rows a global batch, if no factor applies.
        factors: From boundary to factor; ``int(size * factor)`` rows, the factor taken as the decimal it is
            written as.
        by: What boundaries count: ``"steps"``, ``"rows"`` or ``"tokens"``. Tokens are rows times ``length``,
            padding included. A boundary in rows or tokens applies from the first step that begins at it or
            after it.
        length: Tokens a row, for ``by="tokens"``.

    Raises:
        PipelineError: A size is below one row, or a boundary is negative or no integer.

    >>> schedule = BatchSchedule(32, factors={0: 0.25, 5: 0.5, 10: 1, 15: 2})
    >>> [schedule.size(step) for step in (0, 4, 5, 9, 10, 14, 15, 10**9)]
    [8, 8, 16, 16, 32, 32, 64, 64]
    >>> schedule.first_row(10), schedule.step_of(119), schedule.step_of(120)
    (120, 9, 10)
    >>> BatchSchedule(4, factors={6: 2}, by="rows").stretches
    (Stretch(step=0, row=0, size=4), Stretch(step=2, row=8, size=8))
    """

    stretches: tuple[Stretch, ...]

    def __init__(
        self,
        size: int,
        *,
        factors: Mapping[int, float] | None = None,
        by: str = "steps",
        length: int | None = None,
    ) -> None:
        as_choice("BatchSchedule: by", by, ("steps", "rows", "tokens"))
        size = as_integer("BatchSchedule: size", size)
        length = optional(as_integer, "BatchSchedule: length", length)
        sizes = {boundary: _scaled(size, boundary, factor) for boundary, factor in _sorted(factors)}
        if by == "tokens":
            if length is None or length < 1:
                raise PipelineError("BatchSchedule: boundaries by tokens need length=, the tokens a row")
            sizes = {-(-boundary // length): value for boundary, value in sizes.items()}
        object.__setattr__(self, "stretches", _stretches(size, sizes, in_rows=by != "steps"))

    @classmethod
    def linear(cls, start: int, stop: int, steps: int, multiple_of: int = 1) -> BatchSchedule:
        """Makes a ramp from ``start`` to ``stop`` rows over ``steps`` steps, in multiples of ``multiple_of``.

        >>> BatchSchedule.linear(8, 24, steps=100, multiple_of=8).stretches
        (Stretch(step=0, row=0, size=8), Stretch(step=50, row=400, size=16), Stretch(step=100, row=1200, size=24))
        """
        start, stop, steps, multiple_of = (
            as_integer(f"BatchSchedule.linear: {name}", given)
            for name, given in (("start", start), ("stop", stop), ("steps", steps), ("multiple_of", multiple_of))
        )
        if min(start, stop, steps, multiple_of) < 1 or start % multiple_of or stop % multiple_of:
            raise PipelineError(
                f"BatchSchedule.linear: start={start} and stop={stop} are multiples of "
                f"multiple_of={multiple_of}, and steps={steps} is positive"
            )
        if abs(stop - start) // multiple_of > _MOST_SIZES:
            raise PipelineError(
                f"BatchSchedule.linear: from {start} to {stop} there are more than {_MOST_SIZES} sizes, and each is "
                "compiled once: give multiple_of="
            )
        direction = 1 if stop >= start else -1
        boundaries = {
            -(-abs(size - start) * steps // max(abs(stop - start), 1)): size
            for size in range(start, stop + direction, direction * multiple_of)
        }
        return cls.from_sizes({0: start, **boundaries}.items())

    @classmethod
    def from_sizes(cls, sizes: Iterable[tuple[int, int]]) -> BatchSchedule:
        """Makes the schedule of (step, size) pairs. The first step is 0.

        >>> BatchSchedule.from_sizes([(0, 8), (5, 16)]).first_row(6)
        56
        """
        by_step = dict(sizes)
        schedule = cls(by_step[0])
        object.__setattr__(schedule, "stretches", _stretches(by_step[0], by_step, in_rows=False))
        return schedule

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Returns every batch size that occurs, ascending."""
        return tuple(sorted({stretch.size for stretch in self.stretches}))

    def size(self, step: int) -> int:
        """Returns the number of rows of the global batch of a step."""
        return self._at_step(step).size

    def first_row(self, step: int) -> int:
        """Returns the first row of a step, which is the number of rows in all steps before it."""
        stretch = self._at_step(step)
        return stretch.row + (step - stretch.step) * stretch.size

    def step_of(self, row: int) -> int:
        """Returns the step whose batch contains a row."""
        stretch = self.stretches[bisect_right(self._first_rows, row) - 1]
        return stretch.step + (row - stretch.row) // stretch.size

    def __str__(self) -> str:
        """Lists sizes and the steps from which they apply, as in ``8@0 16@50``."""
        return " ".join(f"{stretch.size}@{stretch.step}" for stretch in self.stretches)

    def _at_step(self, step: int) -> Stretch:
        if step < 0:
            raise PipelineError(f"there is no step {step}")
        return self.stretches[bisect_right(self._first_steps, step) - 1]

    @cached_property
    def _first_steps(self) -> list[int]:
        return [stretch.step for stretch in self.stretches]

    @cached_property
    def _first_rows(self) -> list[int]:
        return [stretch.row for stretch in self.stretches]


def _sorted(factors: object) -> list[tuple[int, Any]]:
    """Sorts the factors by boundary. Of two that fall together the later one holds."""
    if factors is None:
        return []
    if not isinstance(factors, Mapping):
        raise PipelineError(
            f"BatchSchedule: factors={shown(factors)} must be a mapping from boundaries to factors, as {{1000: 2}}"
        )
    given = {as_integer("BatchSchedule: boundary", at): factor for at, factor in cast(Any, factors).items()}
    if given and min(given) < 0:
        raise PipelineError(f"BatchSchedule: boundary {min(given)} is not a natural number")
    return sorted(given.items())


def _scaled(size: int, boundary: int, factor: object) -> int:
    if isinstance(factor, str | bool):
        raise PipelineError(f"BatchSchedule: the factor of boundary {boundary} is {factor!r}, not a number")
    try:
        return int(size * Fraction(str(factor)))
    except (ValueError, ZeroDivisionError) as error:
        raise PipelineError(f"BatchSchedule: the factor {factor!r} of boundary {boundary} is not a number") from error


def _stretches(size: int, sizes: Mapping[int, int], *, in_rows: bool) -> tuple[Stretch, ...]:
    """Returns the stretches of the sizes that apply from each boundary on, a boundary in steps or in rows."""
    stretches = [Stretch(0, 0, size)]
    for boundary, new_size in sorted(sizes.items()):
        last = stretches[-1]
        if last.size < 1:
            break
        # Two boundaries may take effect at the same step; then the later one applies.
        steps = max(0, -(-(boundary - last.row) // last.size)) if in_rows else boundary - last.step
        if steps == 0:
            stretches.pop()
        if not stretches or stretches[-1].size != new_size:
            stretches.append(Stretch(last.step + steps, last.row + steps * last.size, new_size))
    for stretch in stretches:
        if stretch.size < 1:
            raise PipelineError(f"BatchSchedule: the batch from step {stretch.step} on has {stretch.size} rows")
    return tuple(stretches)
