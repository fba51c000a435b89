"""Run by test_trainer_processes.py: the example trainer, as one of the processes that the harness starts."""

from __future__ import annotations

import sys
from pathlib import Path

from property_tests.testing.processes import ROOT, join_run

sys.path.append(str(ROOT / "examples"))

from corpus import write_corpus
from trainer import build_pipeline, train


def write(corpus: Path) -> None:
    """A corpus with its lengths indexes, which only a run of one process builds."""
    write_corpus(corpus, shards=2, max_bytes=300_000)
    next(iter(build_pipeline(corpus, eod_id=0)))


def main(action: str, corpus: str, *arguments: str) -> None:
    join_run()
    if action == "write":
        write(Path(corpus))
    else:
        checkpoints, steps, save_every = arguments
        train(Path(corpus), Path(checkpoints), steps=int(steps), save_every=int(save_every))


if __name__ == "__main__":
    main(*sys.argv[1:])
