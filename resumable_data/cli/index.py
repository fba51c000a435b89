"""``index``: writes the manifest of shards, once, before many processes start."""

from __future__ import annotations

import click

from resumable_data.cli.output import as_json, print_answer
from resumable_data.cli.pipelines import load_object
from resumable_data.errors import PipelineError
from resumable_data.sources.array_record import ArrayRecordSource


@click.command("index", short_help="Write the manifest of shards.")
@click.argument("paths", nargs=-1, required=True)
@click.option("--parse", default="resumable_data:parse_int32_tokens", help="The parser, as module:name.")
@click.option("--version", default=None, help="The version= that the parser is given.")
@click.option("--index-dir", default=None, help="The folder of the manifest; by default the folder of the shards.")
@click.option("--lengths/--no-lengths", default=True, help="Whether to count lengths, or only what shards hold.")
@click.option("--progress/--no-progress", default=True, help="Whether to show progress bars.")
@as_json
def index_command(
    paths: tuple[str, ...],
    parse: str,
    version: str | None,
    index_dir: str | None,
    lengths: bool,
    progress: bool,
    as_json: bool,
) -> None:
    """Writes the manifest of ArrayRecord shards, given as files or quoted patterns.

    The manifest says what the shards hold and how long their documents are. A shard that did not change since the
    last time is not counted again.
    """
    try:
        parser = load_object(parse)
    except PipelineError as error:
        raise click.BadParameter(f"{parse!r} is not a parser: {error}", param_hint="--parse") from error
    source = ArrayRecordSource(paths, parser, version=version, index_dir=index_dir, progress=progress)
    source.build_index(lengths=lengths)
    text = f"{source!r}: {'lengths are' if lengths else 'the content of the shards is'} indexed"
    content = {"source": repr(source), "records": len(source), "lengths": lengths}
    print_answer(lambda width: text, content, as_json)
