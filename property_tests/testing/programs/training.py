"""Run by test_trainer_processes.py: the example trainer on text and tokens, as one process of the run."""

from __future__ import annotations

import sys
from pathlib import Path

from property_tests.testing.processes import join_run
from property_tests.testing.programs.small_trainer import train, write_corpus


def main(action: str, corpus: str, *arguments: str) -> None:
    join_run()
    if action == "write":
        write_corpus(Path(corpus))
    else:
        checkpoints, steps, save_every = arguments
        train(Path(corpus), Path(checkpoints), steps=int(steps), save_every=int(save_every))


if __name__ == "__main__":
    main(*sys.argv[1:])
