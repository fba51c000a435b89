"""``diff``: how two runs differ."""

from __future__ import annotations

import sys
from typing import Any

import click

from resumable_data.answers.diff import diff
from resumable_data.cli.output import as_json, print_answer, shows_progress
from resumable_data.cli.pipelines import is_pipeline, load_pipeline, settings_option
from resumable_data.cli.states import allow_option
from resumable_data.errors import PipelineError


@click.command("diff", short_help="Say how two runs differ.")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@settings_option(of="s of both")
@settings_option("--set-a", "settings_a", " of A")
@settings_option("--set-b", "settings_b", " of B")
@click.option("--state-a", metavar="CHECKPOINT", help="A state of the run A.")
@click.option("--state-b", metavar="CHECKPOINT", help="A state of the run B.")
@click.option("--until", type=int, help="Compare batches before this step; by default a thousand after the states.")
@allow_option
@as_json
def diff_command(
    a: str,
    b: str,
    settings: tuple[str, ...],
    settings_a: tuple[str, ...],
    settings_b: tuple[str, ...],
    state_a: str | None,
    state_b: str | None,
    until: int | None,
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Says how two pipelines or checkpoints differ, and at which step their batches first differ.

    A and B are pipelines or checkpoints. Batches are compared if both are pipelines. Exit code 1 if they differ.
    """
    first, second = _run("a", a, state_a, settings + settings_a), _run("b", b, state_b, settings + settings_b)
    found = diff(first, second, until=until, allow=allow, progress=shows_progress())
    print_answer(found.text, found.to_json(), as_json)
    sys.exit(0 if found.same else 1)


def _run(which: str, name: str, state: str | None, settings: tuple[str, ...]) -> Any:
    if is_pipeline(name):
        data = load_pipeline(name, settings)
        return data if state is None else (data, state)
    if state is not None:
        raise PipelineError(f"--state-{which} needs a pipeline, but {name} is a checkpoint")
    return name
