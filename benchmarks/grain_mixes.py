"""Grain pipelines for the mixing benchmark: components of equal weight, mixed as documents or as rows.

The batches are those of ``grain_setups``. Documents are truncated to a row's length, so that Grain need not split
long ones, and packed by best fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import grain
import numpy as np
from grain import experimental
from throughput import TokenArray, TokenBatches

_BINS = 32


class Level(Enum):
    """The level of a mix."""

    DOCUMENTS = "documents"
    ROWS = "rows"


@dataclass(frozen=True)
class GrainMix:
    """A mix of shuffled, repeated ArrayRecord components.

    Attributes:
        level: ``MapDataset.mix`` mixes documents before one packer; ``IterDataset.mix`` mixes rows after a packer
            for each component.
        read_threads: Threads that read, and the records that they read ahead; for rows, of each component.
    """

    level: Level
    read_threads: int = 0

    @property
    def name(self) -> str:
        """Describes the set-up in a few words."""
        return f"{self.read_threads} read threads"

    def rows_a_cycle(self, components: int) -> int:
        """Returns the rows in which every packer fills its open rows once."""
        return _BINS * (components if self.level is Level.ROWS else 1)

    def dataset(
        self, components: Sequence[Sequence[str]], *, length: int, batch: int, seed: int
    ) -> grain.IterDataset:
        """Makes the pipeline over components, each of them files of int32 tokens."""
        documents = [self._documents(files, length, seed + number) for number, files in enumerate(components)]
        if self.level is Level.DOCUMENTS:
            rows = self._packed(grain.MapDataset.mix(documents), length)
        else:
            rows = grain.IterDataset.mix([self._packed(component, length) for component in documents])
        return rows.batch(batch, drop_remainder=True)

    def tokens(self, components: Sequence[Sequence[str]], *, length: int, batch: int, seed: int) -> TokenBatches:
        """Yields the tokens of one batch after the other. Closing the generator stops the read threads."""
        iterator = iter(self.dataset(components, length=length, batch=batch, seed=seed))
        try:
            for element in iterator:
                yield element["tokens"]
        finally:
            iterator.close()

    def _documents(self, files: Sequence[str], length: int, seed: int) -> grain.MapDataset:
        source = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(files))
        return source.shuffle(seed=seed).repeat().map(_Parse(length))

    def _packed(self, documents: grain.MapDataset, length: int) -> grain.IterDataset:
        read_options = grain.ReadOptions(self.read_threads, prefetch_buffer_size=max(self.read_threads, 1))
        return experimental.BestFitPackIterDataset(
            documents.to_iter_dataset(read_options), length_struct={"tokens": length}, num_packing_bins=_BINS
        )


class _Parse:
    """Makes an element of a record, of at most ``longest`` tokens."""

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def __call__(self, record: bytes) -> dict[str, TokenArray]:
        return {"tokens": np.frombuffer(record, np.int32)[: self._longest]}
