"""The pipelines of this library that the benchmarks measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from throughput import TokenBatches

import resumable_data as rd
from resumable_data.sources.source import Source

COMPONENT = "bench"
AHEAD = 200
"""The most batches that ``prefetch`` may have assembled, or have read, before they are asked for."""
_EOD_ID = 0


@dataclass(frozen=True)
class Job:
    """The settings of every pipeline: shuffle, repeat for ever, pack, batch.

    Attributes:
        length: Tokens a row.
        batch: Rows a batch.
        window: Documents that are packed together.
        seed: Seed of the shuffle.
    """

    length: int = 2048
    batch: int = 32
    window: int = 4096
    seed: int = 7

    def dataset(self, source: Source, strategy: str = "best_fit") -> rd.Dataset[rd.LLMBatch]:
        """Makes the pipeline over a source. As in Grain's, no end-of-document token is appended."""
        documents = rd.Dataset.from_source(source, name=COMPONENT).shuffle(seed=self.seed).repeat()
        rows = documents.pack(length=self.length, strategy=strategy, window=self.window, eod_id=_EOD_ID)
        return rows.batch(self.batch)


def array_record_source(files: Sequence[str]) -> rd.ArrayRecordSource:
    """Opens the corpus as a source, and builds its lengths index if there is none."""
    source = rd.ArrayRecordSource(files, parse=rd.parse_int32_tokens, progress=False)
    source.build_index()
    return source


def tokens(dataset: rd.Dataset[rd.LLMBatch]) -> TokenBatches:
    """Yields the tokens of one batch after the other. Closing the generator ends the prefetch."""
    with iter(dataset) as iterator:
        for batch in iterator:
            yield batch.targets
