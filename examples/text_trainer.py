"""Trains as `trainer.py` does, with the same command line, on text that is tokenized when it is read.

    python examples/text_trainer.py --corpus CORPUS --checkpoints CHECKPOINTS --steps 60

Each of several processes tokenizes only the documents of its own rows. `pretrain_text.py` writes the corpus and
proves that interruptions leave no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from trainer import BATCH_SIZE, LENGTH, main, report, train_on
from transformers import AutoTokenizer

import resumable_data as rd
from resumable_data.batch import LLMBatch

WINDOW = 128  # documents a logical shard: a resume tokenizes them again


class CountingSource:
    """A source that counts the documents read. A pipeline takes any object with these methods.

    Attributes:
        read_documents: Documents read so far.
    """

    def __init__(self, source: rd.HuggingFaceSource) -> None:
        """Counts the reads of `source` from now on."""
        self._source = source
        self.read_documents = 0

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return repr(self._source)

    def read(self, indices: np.ndarray) -> Sequence[str]:
        """Reads the texts at int64[n] indices."""
        self.read_documents += len(indices)
        return self._source.read(indices)

    def fingerprint(self) -> str:
        """Returns the fingerprint of the source: counting changes nothing."""
        return self._source.fingerprint()


def open_source(corpus: Path) -> CountingSource:
    """Opens the texts of a folder that `write_parquet_corpus` has filled."""
    pattern = str(corpus / "train_*.parquet")
    return CountingSource(rd.HuggingFaceSource.from_files(pattern, "text", cache_dir=corpus / "cache"))


def build_pipeline(source: CountingSource, tokenizer: Path) -> rd.Dataset:
    """Makes endless packed batches of a source of text. The seed fixes the order."""
    return (
        rd.Dataset.from_source(source, name="stdlib")
        .shuffle(seed=7)
        .repeat()
        .tokenize(tokenizer)
        .pack(length=LENGTH, strategy="best_fit", window=WINDOW)
        .batch(BATCH_SIZE)
    )


def train(corpus: Path, checkpoints: Path, *, steps: int, save_every: int) -> None:
    """Trains on a folder that `write_parquet_corpus` has filled; see `trainer.train_on`."""
    source = open_source(corpus)

    def report_with_counts(step: int, batch: LLMBatch, loss: jax.Array) -> None:
        tokenized = multihost_utils.process_allgather(np.int32(source.read_documents)).reshape(-1)
        tokens = int(np.count_nonzero(multihost_utils.process_allgather(batch.targets_segmentation, tiled=True)))
        report(step, batch, loss, tokenized=tokenized.tolist(), tokens=tokens)

    tokenizer = corpus / "tokenizer"
    vocabulary = len(AutoTokenizer.from_pretrained(tokenizer))
    pipeline = build_pipeline(source, tokenizer)
    train_on(pipeline, vocabulary, checkpoints, steps=steps, save_every=save_every, report=report_with_counts)


if __name__ == "__main__":
    main(train)
