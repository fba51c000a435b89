"""Grain pipelines for the packing benchmark: shuffle, repeat, pack, batch.

Every set-up makes the same batches: ``tokens``, ``tokens_segment_ids`` and ``tokens_positions``, each
int32[batch, length]. First-fit and best-fit refuse documents longer than a row, so those set-ups first truncate or
split them. Grain advises no read threads for data in memory, and the files are in the page cache. Batches are made
before ``mp_prefetch``, so that a worker sends whole batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import grain
import numpy as np
from absl import flags
from grain import experimental
from throughput import TokenArray, TokenBatches

_BATCHES_BUFFERED_A_WORKER = 2


class Packer(Enum):
    """Grain's packing strategies."""

    FIRST_FIT = "first-fit"
    BEST_FIT = "best-fit"
    CONCAT_SPLIT = "concat-then-split"


class LongDocuments(Enum):
    """The treatment of documents that are longer than a row."""

    TRUNCATED = "truncated"
    SPLIT = "split"


@dataclass(frozen=True)
class GrainSetup:
    """A set-up of Grain for the job.

    Attributes:
        packer: The packing strategy.
        bins: The most open rows; concat-then-split has none.
        long_documents: The treatment of long documents; concat-then-split always splits.
        read_threads: Threads that read, and the number of records that they read ahead.
        workers: Worker processes; with 0 everything runs in this process.
    """

    packer: Packer
    bins: int | None = None
    long_documents: LongDocuments = LongDocuments.SPLIT
    read_threads: int = 0
    workers: int = 0

    @property
    def name(self) -> str:
        """Names the set-up among those with as many workers."""
        name = self.packer.value
        if self.bins is not None:
            name += f" {self.bins}, {self.long_documents.value}"
        return f"{name}, {self.read_threads} threads" if self.read_threads else name

    @property
    def ahead(self) -> int:
        """Returns the most batches that may be ready early, in queues on both sides of each process."""
        return 12 * self.workers

    def dataset(self, files: Sequence[str], *, length: int, batch: int, seed: int) -> grain.IterDataset:
        """Makes the pipeline over ArrayRecord files of int32 tokens."""
        source = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(files))
        parse = _Parse(length if self.long_documents is LongDocuments.TRUNCATED else None)
        read_options = grain.ReadOptions(self.read_threads, prefetch_buffer_size=max(self.read_threads, 1))
        documents = source.shuffle(seed=seed).repeat().map(parse).to_iter_dataset(read_options)
        batches = self._pack(documents, length).batch(batch, drop_remainder=True)
        if not self.workers:
            return batches
        return batches.mp_prefetch(grain.MultiprocessingOptions(self.workers, _BATCHES_BUFFERED_A_WORKER))

    def tokens(self, files: Sequence[str], *, length: int, batch: int, seed: int) -> TokenBatches:
        """Yields the tokens of one batch after the other. Closing the generator stops the workers."""
        if self.workers and not flags.FLAGS.is_parsed():
            flags.FLAGS(["benchmark"])  # Grain's workers do not start before absl's flags are parsed.
        iterator = iter(self.dataset(files, length=length, batch=batch, seed=seed))
        try:
            for element in iterator:
                yield element["tokens"]
        finally:
            iterator.close()

    def _pack(self, documents: grain.IterDataset, length: int) -> grain.IterDataset:
        lengths = {"tokens": length}
        if self.packer is Packer.CONCAT_SPLIT:
            return experimental.ConcatThenSplitIterDataset(documents, length_struct=lengths)
        if self.long_documents is LongDocuments.SPLIT:
            documents = experimental.FlatMapIterDataset(documents, _SplitLong(length))
        packed = {
            Packer.FIRST_FIT: experimental.FirstFitPackIterDataset,
            Packer.BEST_FIT: experimental.BestFitPackIterDataset,
        }[self.packer]
        return packed(documents, length_struct=lengths, num_packing_bins=self.bins)


class _Parse:
    """Makes an element of a record, with its first ``longest`` tokens or all of them."""

    def __init__(self, longest: int | None) -> None:
        self._longest = longest

    def __call__(self, record: bytes) -> dict[str, TokenArray]:
        return {"tokens": np.frombuffer(record, np.int32)[: self._longest]}


class _SplitLong(experimental.FlatMapTransform):
    """Splits a document into pieces that fit a row."""

    max_fan_out: ClassVar[int] = 1_000

    def __init__(self, length: int) -> None:
        self._length = length

    def flat_map(self, element: dict[str, TokenArray]) -> list[dict[str, TokenArray]]:
        tokens = element["tokens"]
        return [{"tokens": tokens[start : start + self._length]} for start in range(0, len(tokens), self._length)]


IN_PROCESS: tuple[GrainSetup, ...] = (
    GrainSetup(Packer.FIRST_FIT, bins=32, long_documents=LongDocuments.TRUNCATED),
    GrainSetup(Packer.FIRST_FIT, bins=32, long_documents=LongDocuments.TRUNCATED, read_threads=16),
    GrainSetup(Packer.FIRST_FIT, bins=32),
    GrainSetup(Packer.FIRST_FIT, bins=256),
    GrainSetup(Packer.BEST_FIT, bins=32, long_documents=LongDocuments.TRUNCATED),
    GrainSetup(Packer.BEST_FIT, bins=32),
    GrainSetup(Packer.CONCAT_SPLIT),
    GrainSetup(Packer.CONCAT_SPLIT, read_threads=16),
)

TWO_WORKERS: tuple[GrainSetup, ...] = (
    GrainSetup(Packer.FIRST_FIT, bins=32, long_documents=LongDocuments.TRUNCATED, workers=2),
    GrainSetup(Packer.FIRST_FIT, bins=256, workers=2),
    GrainSetup(Packer.CONCAT_SPLIT, workers=2),
    GrainSetup(Packer.CONCAT_SPLIT, read_threads=16, workers=2),
)
