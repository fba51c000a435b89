"""The command, and how all its subcommands end."""

from __future__ import annotations

from typing import Any

import click
from typing_extensions import override

from resumable_data.cli.compare import diff_command
from resumable_data.cli.index import index_command
from resumable_data.cli.look import explain_command, inspect_command, show_command, when_command
from resumable_data.cli.output import refusal
from resumable_data.cli.page import view_command
from resumable_data.cli.plan import simulate_command
from resumable_data.cli.prove import verify_command
from resumable_data.errors import ResumableDataError
from resumable_data.version import VERSION

_COMMANDS = (
    diff_command,
    explain_command,
    index_command,
    inspect_command,
    show_command,
    simulate_command,
    verify_command,
    view_command,
    when_command,
)

_EPILOG = """\b
A PIPELINE is module:name or file.py:name, where name is a dataset or a function that returns one.
--set name=value gives the function an argument: a JSON value, or a text if it is not JSON.
A CHECKPOINT is a directory of checkpoints, one checkpoint, an item of one, or a state.json.

\b
Examples:
  resumable-data simulate train.py:make_data --steps 10000 --html run.html
  resumable-data inspect runs/7
  resumable-data explain train.py:make_data 4210 --state runs/7 --set batch=64
  resumable-data view train.py:make_data 4210 --state runs/7 --tokenizer path/of/tokenizer --out step.html
  resumable-data when train.py:make_data web 81233 --until 10000
  resumable-data diff train.py:make_data train.py:make_data --set-b seed=8

\b
Exit codes: 0 yes; 1 no: two runs differ, a run is not as its state says, or a record does not appear;
2 the question cannot be answered, and one line says why.

\b
Completion in the shell: eval "$(_RESUMABLE_DATA_COMPLETE=bash_source resumable-data)", or zsh_source, or
_RESUMABLE_DATA_COMPLETE=fish_source resumable-data | source
"""


class _Refusal(click.ClickException):
    """The one line that says why there is no answer."""

    exit_code = 2


class _Group(click.Group):
    """A group that ends with one line and exit code 2 when the library raises an error."""

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ResumableDataError as error:
            raise _Refusal(" ".join(refusal(error).split())) from error


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"max_content_width": 110})
@click.version_option(VERSION, prog_name="resumable-data")
def main() -> None:
    """Looks into data pipelines, and prepares data for them.

    Batches are planned before they are read. So the pipeline and the state of a run answer every question about it:
    what was in a step, when a record appears, how two runs differ.
    """


for _command in _COMMANDS:
    main.add_command(_command)
