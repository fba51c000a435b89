"""The output of subcommands: text for people, as wide as the terminal, or JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from typing import Any

import click

from resumable_data.errors import PipelineMismatchError, ResumableDataError

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_answer(text: Callable[[int | None], str], content: Any, as_json: bool) -> None:
    """Prints an answer.

    Args:
        text: Makes the text for people from the width of a line; None means any width.
        content: The same answer as JSON values.
        as_json: Whether to print JSON.
    """
    click.echo(json.dumps(content, indent=1) if as_json else text(terminal_width()))


def refusal(error: ResumableDataError) -> str:
    """Returns the text of an error, with the option of the command for an argument that the text names."""
    options = [f"--allow {name}" for name in error.allow] if isinstance(error, PipelineMismatchError) else []
    return f"{error} On the command line: {' '.join(options)}" if options else str(error)


def terminal_width() -> int | None:
    """Returns the width of the terminal in characters; None if the output goes to a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def shows_progress() -> bool:
    """Says whether the error stream is a terminal, on which people see a progress bar."""
    return sys.stderr.isatty()
