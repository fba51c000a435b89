"""The command line options of the demos that keep a folder."""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path


def add_options(parser: argparse.ArgumentParser, *, save_every: int, corpus_bytes: int) -> None:
    """Adds options: how often to save, the seed of the kills, the corpus's size, the folder, the progress bars."""
    help_ = "steps from one checkpoint to the next (default: %(default)s)"
    parser.add_argument("--save-every", type=int, default=save_every, help=help_)
    parser.add_argument("--seed", type=int, help="seed of the steps to kill at (default: drawn and printed)")
    parser.add_argument(
        "--corpus-bytes", type=int, default=corpus_bytes, help="bound on the text used (default: %(default)s)"
    )
    parser.add_argument("--workdir", type=Path, help="empty folder to keep everything in (default: a temporary one)")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="show no progress bars")


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parses the options, with a seed. Exits if the folder is not empty."""
    options = parser.parse_args()
    if options.workdir is not None and options.workdir.exists() and any(options.workdir.iterdir()):
        parser.error(f"--workdir {options.workdir} is not empty")
    options.seed = seed_of(options)
    return options


def seed_of(options: argparse.Namespace) -> int:
    """Returns the given seed, or draws one."""
    return random.SystemRandom().randrange(2**32) if options.seed is None else options.seed


def workdir_of(options: argparse.Namespace) -> Path:
    """Returns the given folder, or a new one."""
    return options.workdir or Path(tempfile.mkdtemp(prefix="resumable_data_demo_"))
