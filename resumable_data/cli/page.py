"""``view``: writes a step as a page to read."""

from __future__ import annotations

from typing import Any

import click

from resumable_data.answers.view import view
from resumable_data.cli.output import as_json, print_answer
from resumable_data.cli.pipelines import load_object, load_pipeline, settings_option
from resumable_data.cli.states import allow_option, state_option
from resumable_data.stages.load_tokenizer import load_tokenizer


@click.command("view", short_help="Write a step as a page of its documents.")
@click.argument("pipeline")
@click.argument("step", type=int)
@click.option("--out", default="step.html", metavar="FILE", help="The file to write; step.html by default.")
@click.option("--tokenizer", help="Decodes the tokens: a path, a name of Hugging Face, or module:name.")
@click.option("--field", type=click.Choice(["targets", "inputs"]), help="The field to show.")
@state_option
@settings_option()
@allow_option
@as_json
def view_command(
    pipeline: str,
    step: int,
    out: str,
    tokenizer: str | None,
    field: str | None,
    state: str | None,
    settings: tuple[str, ...],
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Writes a page that shows the documents of a step, and where each comes from.

    The page needs no other file and no network. Without a tokenizer it shows token ids.
    """
    data = load_pipeline(pipeline, settings)
    decoder: Any = None if tokenizer is None else _tokenizer(tokenizer)
    made = view(data, step, state=state, allow=allow, tokenizer=decoder, field=field, path=out)
    print_answer(lambda width: f"{out}: {made.title}", {"file": out, "title": made.title}, as_json)


def _tokenizer(name: str) -> Any:
    return load_object(name) if ":" in name else load_tokenizer(name)
