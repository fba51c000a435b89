"""Figures and the goals that they are held to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table


@dataclass(frozen=True)
class Goal:
    """A bound that a figure is to keep.

    Attributes:
        bound: The bound.
        at_least: Whether the figure is to reach it from above, rather than stay below.
    """

    bound: float
    at_least: bool = False

    def reached(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: What was measured.
        value: The number.
        unit: Its unit; ``x`` for a ratio.
        goal: What it is to reach, or None where it is for information.
    """

    name: str
    value: float
    unit: str
    goal: Goal | None = None

    def to_json(self) -> str:
        """One line of JSON; four digits are more than a timing deserves."""
        goal = None if self.goal is None else self.goal.bound
        value = float(f"{self.value:.4g}")
        fields = {"figure": self.name, "value": value, "unit": self.unit, "goal": goal}
        return json.dumps(fields, ensure_ascii=False)


def print_json(figures: Sequence[Figure]) -> None:
    """Prints a JSON line for each figure."""
    for figure in figures:
        print(figure.to_json())


def print_goals(figures: Sequence[Figure], console: Console) -> None:
    """Prints a table of the figures that have a goal."""
    measured, goal = Column("measured", justify="right"), Column("goal", justify="right")
    table = Table("figure", measured, "unit", goal, "", title="Goals")
    for figure in figures:
        if figure.goal is not None:
            verdict = "[green]reached[/]" if figure.goal.reached(figure.value) else "[red]missed[/]"
            table.add_row(figure.name, f"{figure.value:.4g}", figure.unit, str(figure.goal), verdict)
    console.print(table)
