"""The command line: what is done once, before many processes start."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from resumable_data.sources.array_record import ArrayRecordSource


@click.group()
def main() -> None:
    """Prepares data for resumable_data."""


@main.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--parse", default="resumable_data:parse_int32_tokens", help="The parser, as module:name.")
@click.option("--version", default=None, help="The version= that the parser is given.")
@click.option("--index-dir", default=None, help="Where the indexes lie; beside the shards by default.")
@click.option("--progress/--no-progress", default=True, help="Whether to show a progress bar.")
def index(paths: tuple[str, ...], parse: str, version: str | None, index_dir: str | None, progress: bool) -> None:
    """Counts the token lengths of ArrayRecord shards, given as files or quoted patterns."""
    source = ArrayRecordSource(paths, _parser(parse), version=version, index_dir=index_dir, progress=progress)
    source.build_index()
    click.echo(f"{source!r}: lengths are indexed")


def _parser(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{name!r} is no parser: {error}", param_hint="--parse") from error
