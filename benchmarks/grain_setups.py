"""Grain pipelines for the packing benchmark: shuffle, repeat, pack, batch.

Every set-up ends in the same batches: `tokens`, `tokens_segment_ids` and `tokens_positions`, `int32[batch, length]`.
First-fit and best-fit refuse documents longer than a row, so those set-ups either truncate them or split them first.
Grain is used as its documentation advises: no read threads for data in memory (the files are in the page cache), a
bounded prefetch buffer where there are threads, and batching before `mp_prefetch`, so that workers send whole batches.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Sequence

import grain
import numpy as np
from absl import flags
from grain import experimental

BATCHES_BUFFERED_BY_WORKER = 2


class Packer(enum.Enum):
    """Grain's packing strategies."""

    FIRST_FIT = "first-fit"
    BEST_FIT = "best-fit"
    CONCAT_SPLIT = "concat-then-split"


class LongDocuments(enum.Enum):
    """What becomes of documents that are longer than a row."""

    TRUNCATE = "truncated"
    SPLIT = "split"


@dataclasses.dataclass(frozen=True)
class GrainSetup:
    """One way of setting Grain up for the job.

    Attributes:
        packer: The packing strategy.
        bins: Rows that are open at a time; concat-then-split has none.
        long_documents: What becomes of long documents; concat-then-split always splits.
        read_threads: Threads that read, and the number of records they read ahead.
        workers: Worker processes; with 0, everything is done in this process.
    """

    packer: Packer
    bins: int | None = None
    long_documents: LongDocuments = LongDocuments.SPLIT
    read_threads: int = 0
    workers: int = 0

    @property
    def name(self) -> str:
        """What the set-up is called in the report."""
        parts = [self.packer.value]
        if self.bins is not None:
            parts.append(f"{self.bins} bins, long documents {self.long_documents.value}")
        if self.read_threads:
            parts.append(f"{self.read_threads} read threads")
        if self.workers:
            parts.append(f"{self.workers} workers")
        return ", ".join(parts)

    def dataset(self, files: Sequence[str], *, length: int, batch: int, seed: int) -> grain.IterDataset:
        """Returns the pipeline over ArrayRecord files of `int32` tokens."""
        source = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(files))
        parse = _Parse(length if self.long_documents is LongDocuments.TRUNCATE else None)
        documents = source.shuffle(seed=seed).repeat().map(parse).to_iter_dataset(self._read_options())
        rows = self._pack(documents, length).batch(batch, drop_remainder=True)
        if not self.workers:
            return rows
        options = grain.MultiprocessingOptions(
            self.workers, per_worker_buffer_size=BATCHES_BUFFERED_BY_WORKER
        )
        return rows.mp_prefetch(options)

    def tokens(self, files: Sequence[str], *, length: int, batch: int, seed: int) -> Iterator[np.ndarray]:
        """Yields the `tokens` array of one batch after the other; closing it stops the workers."""
        if self.workers and not flags.FLAGS.is_parsed():
            flags.FLAGS(["benchmark"])  # Grain's workers cannot start before absl's flags are parsed.
        iterator = iter(self.dataset(files, length=length, batch=batch, seed=seed))
        try:
            for element in iterator:
                yield element["tokens"]
        finally:
            iterator.close()

    def _read_options(self) -> grain.ReadOptions:
        return grain.ReadOptions(
            num_threads=self.read_threads, prefetch_buffer_size=max(self.read_threads, 1)
        )

    def _pack(self, documents: grain.IterDataset, length: int) -> grain.IterDataset:
        lengths = {"tokens": length}
        if self.packer is Packer.CONCAT_SPLIT:
            return experimental.ConcatThenSplitIterDataset(documents, length_struct=lengths)
        if self.long_documents is LongDocuments.SPLIT:
            documents = experimental.FlatMapIterDataset(documents, _SplitLong(length))
        packing = {
            Packer.FIRST_FIT: experimental.FirstFitPackIterDataset,
            Packer.BEST_FIT: experimental.BestFitPackIterDataset,
        }[self.packer]
        return packing(documents, length_struct=lengths, num_packing_bins=self.bins)


class _Parse:
    """Makes an element of a record, cut to `longest` tokens where that is given."""

    def __init__(self, longest: int | None) -> None:
        self._longest = longest

    def __call__(self, record: bytes) -> dict[str, np.ndarray]:
        return {"tokens": np.frombuffer(record, np.int32)[: self._longest]}


class _SplitLong(experimental.FlatMapTransform):
    """Splits a document into pieces that fit a row."""

    max_fan_out = 1_000

    def __init__(self, length: int) -> None:
        self._length = length

    def flat_map(self, element: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        tokens = element["tokens"]
        return [
            {"tokens": tokens[start : start + self._length]} for start in range(0, len(tokens), self._length)
        ]


SETUPS: tuple[GrainSetup, ...] = (
    GrainSetup(Packer.FIRST_FIT, bins=32, long_documents=LongDocuments.TRUNCATE),
    GrainSetup(Packer.FIRST_FIT, bins=32, long_documents=LongDocuments.TRUNCATE, read_threads=16),
    GrainSetup(Packer.FIRST_FIT, bins=32),
    GrainSetup(Packer.FIRST_FIT, bins=256),
    GrainSetup(Packer.BEST_FIT, bins=32, long_documents=LongDocuments.TRUNCATE),
    GrainSetup(Packer.BEST_FIT, bins=32),
    GrainSetup(Packer.CONCAT_SPLIT),
    GrainSetup(Packer.CONCAT_SPLIT, read_threads=16),
    GrainSetup(Packer.FIRST_FIT, bins=32, long_documents=LongDocuments.TRUNCATE, workers=2),
    GrainSetup(Packer.FIRST_FIT, bins=256, workers=2),
    GrainSetup(Packer.CONCAT_SPLIT, workers=2),
)
"""The set-ups that are measured; those left out were slower than one that is listed."""
