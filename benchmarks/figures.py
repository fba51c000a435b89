"""Figures and their goals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table


@dataclass(frozen=True)
class Goal:
    """A bound that a figure should keep.

    Attributes:
        bound: The bound.
        at_least: Whether the figure should be at least the bound; otherwise at most.
    """

    bound: float
    at_least: bool = False

    def reached(self, value: float) -> bool:
        """Says whether a value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: Its name.
        value: The number.
        unit: Its unit; ``x`` for a ratio.
        goal: Its goal; None if it is only for information.
    """

    name: str
    value: float
    unit: str
    goal: Goal | None = None

    def to_json(self) -> str:
        """Formats the figure as a line of JSON. A timing has at most four good digits."""
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
