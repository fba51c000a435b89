"""The command ``resumable-data``: one file a subcommand."""

from resumable_data.cli.command import main

__all__ = ["main"]
