"""The command line: what is done once, before many processes start."""

from __future__ import annotations

import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

from resumable_data.errors import ResumableDataError
from resumable_data.sources.array_record import ArrayRecordSource


@click.group()
def main() -> None:
    """Prepares data for resumable_data."""


@main.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("--parse", default="resumable_data:parse_int32_tokens", help="The parser, as module:name.")
@click.option("--version", default=None, help="The version= that the parser is given.")
@click.option("--index-dir", default=None, help="Where the manifest lies; in the folder of the shards by default.")
@click.option("--lengths/--no-lengths", default=True, help="Whether to count lengths, or only what shards hold.")
@click.option("--progress/--no-progress", default=True, help="Whether to show progress bars.")
def index(
    paths: tuple[str, ...],
    parse: str,
    version: str | None,
    index_dir: str | None,
    lengths: bool,
    progress: bool,
) -> None:
    """Writes the manifest of ArrayRecord shards, given as files or quoted patterns.

    It says what the shards hold and how long their documents are. Shards that did not change since the last time are
    not counted again.
    """
    parser = _parser(parse)
    try:
        source = ArrayRecordSource(paths, parser, version=version, index_dir=index_dir, progress=progress)
        source.build_index(lengths=lengths)
    except ResumableDataError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{source!r}: {'lengths are' if lengths else 'what the shards hold is'} indexed")


def _parser(name: str) -> Any:
    module, _, attribute = name.partition(":")
    # An installed command does not look for modules in the working folder, as ``python`` does.
    sys.path.insert(0, str(Path.cwd()))
    try:
        return attrgetter(attribute)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise click.BadParameter(f"{name!r} is not a parser: {error}", param_hint="--parse") from error


if __name__ == "__main__":
    main()
