"""``inspect``, ``show``, ``explain`` and ``when``: look into a checkpoint, a pipeline and a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from resumable_data.answers.checkpoints import open_saved
from resumable_data.answers.inspection import inspect
from resumable_data.answers.when import Appearance
from resumable_data.cli.output import as_json, print_answer, shows_progress
from resumable_data.cli.pipelines import is_pipeline, load_batches, load_pipeline, settings_option
from resumable_data.cli.states import allow_option, choosing, state_option
from resumable_data.table import as_lines


@click.command("inspect", short_help="Say what a checkpoint holds.")
@click.argument("checkpoint")
@choosing
@as_json
def inspect_command(checkpoint: str, step: int | None, item: str | None, as_json: bool) -> None:
    """Says what a checkpoint holds: step, components and what they delivered, mix, edits, digests, sizes.

    It reads only the state. It does not import the pipeline or open its data.
    """
    saved = open_saved(checkpoint, step, item)
    found = inspect(saved.state, saved.files)
    print_answer(found.text, found.to_json(), as_json)


@click.command("show", short_help="Draw a pipeline as a tree.")
@click.argument("what", metavar="PIPELINE|CHECKPOINT")
@settings_option()
@choosing
@as_json
def show_command(what: str, settings: tuple[str, ...], step: int | None, item: str | None, as_json: bool) -> None:
    """Draws a pipeline as a tree, or lists the stages that a checkpoint was saved from."""
    if is_pipeline(what):
        data = load_pipeline(what, settings)
        with iter(data) as iterator:
            print_answer(lambda width: repr(data), iterator.description(), as_json)
        return
    found = inspect(open_saved(what, step, item).state)
    stages = [f"{one.path}: {' → '.join(one.stages)}" for one in found.components] + list(found.shared)
    components = {one.path: list(one.stages) for one in found.components}
    print_answer(lambda width: "\n".join(stages), {"components": components, "shared": list(found.shared)}, as_json)


@click.command("explain", short_help="List the documents of a step.")
@click.argument("pipeline")
@click.argument("step", type=int)
@state_option
@settings_option()
@allow_option
@as_json
def explain_command(
    pipeline: str, step: int, state: str | None, settings: tuple[str, ...], allow: tuple[str, ...], as_json: bool
) -> None:
    """Lists the documents of a step: component, epoch, record, tokens and file of each span of each row."""
    data = load_batches("explain", pipeline, settings)
    why = data.explain(step, state=state, allow=allow, progress=shows_progress())
    print_answer(why.table, why.to_json(), as_json)


@click.command("when", short_help="Find the steps of a record.")
@click.argument("pipeline")
@click.argument("component")
@click.argument("record", type=int)
@click.option("--until", type=int, help="Look at all steps before this one; by default up to the next appearance.")
@state_option
@settings_option()
@allow_option
@as_json
def when_command(
    pipeline: str,
    component: str,
    record: int,
    until: int | None,
    state: str | None,
    settings: tuple[str, ...],
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Says in which steps and rows a record appears. Exit code 1 if it does not."""
    data = load_batches("when", pipeline, settings)
    found = data.when(component, record, until=until, state=state, allow=allow, progress=shows_progress())
    print_answer(lambda width: _appearances(found, width), [one._asdict() for one in found], as_json)
    sys.exit(0 if found else 1)


def _appearances(found: Sequence[Appearance], width: int | None) -> str:
    return "\n".join(as_lines(["step", "row"], found, width)) if found else "it does not appear"
