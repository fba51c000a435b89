"""Documents of log-normal lengths whose source does not know them: like text for a pipeline, but cheap to read."""

from __future__ import annotations

from threading import Lock

import numpy as np

import resumable_data as rd
from resumable_data.arrays import Int64Array, Ragged
from resumable_data.digest import digest

MEAN, LENGTH, LONGEST = 540, 2048, 20_000
SEED = 7


class ReadOnlyLengths:
    """Documents of zeros whose lengths are known only by reading.

    Args:
        lengths: int64[n], the tokens of each.

    Attributes:
        tokens_read: Tokens of the documents read so far, once for each read.
    """

    def __init__(self, lengths: Int64Array) -> None:
        self._lengths = lengths
        self._values = np.zeros(int(lengths.max()), np.int32)
        self._counting = Lock()
        self.tokens_read = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def __repr__(self) -> str:
        return f"documents of unknown length ({len(self)} records)"

    def read(self, indices: Int64Array) -> Ragged:
        """Reads documents at int64[n] indices. All share their zeros."""
        lengths = self._lengths[indices]
        with self._counting:
            self.tokens_read += int(lengths.sum())
        return Ragged(self._values, np.zeros(len(indices), np.int64), lengths)

    def fingerprint(self) -> str:
        """Returns a digest of the lengths."""
        return digest("documents of unknown length", self._lengths.astype("<i8").tobytes())


def log_normal(documents: int, seed: int = SEED, longest: int = LONGEST) -> Int64Array:
    """Draws the lengths of documents, with mean 540 before longer ones are clipped: int64[documents]."""
    quantiles = np.array(rd.log_normal_lengths(MEAN, longest=longest))
    return quantiles[np.random.default_rng(seed).integers(len(quantiles), size=documents)]


def text(lengths: Int64Array, *, shuffled: bool = True) -> rd.Dataset[rd.LLMBatch]:
    """Makes one epoch of documents of these lengths. The pipeline learns them by reading."""
    documents = rd.Dataset.from_source(ReadOnlyLengths(lengths), name="text")
    return documents.shuffle(seed=SEED) if shuffled else documents


def rows(documents: rd.Dataset[rd.LLMBatch]) -> rd.Dataset[rd.LLMBatch]:
    """Makes rows of 2,048 tokens, packed with the default settings."""
    return documents.pack(LENGTH, eod_id=0)
