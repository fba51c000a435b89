"""``verify``: checks a run against its state."""

from __future__ import annotations

import sys

import click

from resumable_data.answers.checkpoints import open_saved
from resumable_data.cli.output import as_json, print_answer, refusal, shows_progress
from resumable_data.cli.pipelines import load_batches, settings_option
from resumable_data.cli.states import allow_option, choosing
from resumable_data.errors import PipelineMismatchError


@click.command("verify", short_help="Check a run against its state.")
@click.argument("pipeline")
@click.argument("checkpoint")
@click.option("--since", metavar="CHECKPOINT", help="An earlier state of the run, to begin at.")
@click.option("--content", is_flag=True, help="Read every batch again too, and give a digest of its cells.")
@settings_option()
@allow_option
@choosing
@as_json
def verify_command(
    pipeline: str,
    checkpoint: str,
    since: str | None,
    content: bool,
    settings: tuple[str, ...],
    allow: tuple[str, ...],
    step: int | None,
    item: str | None,
    as_json: bool,
) -> None:
    """Plans a run again and checks it against its state. Exit code 1 if it is another run.

    The digest of all batches must be the digest in the state, and each record must come once an epoch, in full.
    """
    data, state = load_batches("verify", pipeline, settings), open_saved(checkpoint, step, item).state
    try:
        found = data.verify(state, since=since, allow=allow, content=content, progress=shows_progress())
    except PipelineMismatchError as error:
        text = refusal(error)
        print_answer(lambda width: text, {"sound": False, "differences": list(error.differences)}, as_json)
        sys.exit(1)
    print_answer(lambda width: str(found), {"sound": True, **found.to_json()}, as_json)
