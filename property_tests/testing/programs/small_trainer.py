"""Run by soak.py and test_preemption_processes.py: the example trainer, so small that most of it is starting."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from property_tests.testing.processes import ROOT, join_run

sys.path.insert(0, str(ROOT / "examples"))

import corpus
import trainer
from model import ModelConfig

STEPS = 100_000  # of the learning rate's schedule; nothing trains for so long

corpus.VOCABULARY_SIZE = 300
trainer.LENGTH = 128
trainer.WINDOW = 64
trainer.ModelConfig = partial(ModelConfig, width=16, layers=1)


def write_corpus(folder: Path) -> None:
    """About 65 steps an epoch, and the lengths index, which many processes never build."""
    corpus.write_corpus(folder, shards=3, max_bytes=150_000)
    with iter(trainer.build_pipeline(folder, eod_id=0)) as batches:
        next(batches)


def main() -> None:
    """Trains until it is stopped. Arguments: corpus, checkpoints, steps between checkpoints, number of processes."""
    folder, checkpoints, save_every, count = sys.argv[1:]
    if int(count) > 1:
        join_run()
    trainer.train(Path(folder), Path(checkpoints), steps=STEPS, save_every=int(save_every))


if __name__ == "__main__":
    main()
