"""``simulate``: plans a run before it begins."""

from __future__ import annotations

import click

from resumable_data.cli.output import as_json, print_answer, shows_progress
from resumable_data.cli.pipelines import load_batches, settings_option
from resumable_data.cli.states import allow_option, state_option


@click.command("simulate", short_help="Plan a run before it begins.")
@click.argument("pipeline")
@click.option("--steps", type=int, help="The number of steps; by default to the end of the data.")
@click.option("--html", metavar="FILE", help="Also write a page with pictures.")
@state_option
@settings_option()
@allow_option
@as_json
def simulate_command(
    pipeline: str,
    steps: int | None,
    html: str | None,
    state: str | None,
    settings: tuple[str, ...],
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Plans a run before it begins: epochs and tokens of each component, padding, processes, sizes."""
    data = load_batches("simulate", pipeline, settings)
    found = data.simulate(steps, state=state, allow=allow, progress=shows_progress())
    if html is not None:
        found.save_html(html)
    print_answer(found.text, found.to_json(), as_json)
