"""Options that name a saved state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from resumable_data.differences import EDITS

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])


def choosing(function: FunctionT) -> FunctionT:
    """Adds the options that choose a checkpoint of a directory, and an item of the checkpoint."""
    function = click.option("--item", help="The item, if the checkpoint has several with data.")(function)
    return click.option("--step", type=int, help="The step of the checkpoint; the latest by default.")(function)


state_option = click.option("--state", metavar="CHECKPOINT", help="A state of the run, to begin at.")

allow_option = click.option(
    "--allow", multiple=True, help=f"What may differ from the saved pipeline: {', '.join(EDITS)}."
)
