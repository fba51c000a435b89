"""Grain pipelines that tokenize text: shuffle, tokenize in a map, pack by first fit, batch.

Packing is Grain's cheapest that keeps documents whole, with documents truncated to a row. The set-ups differ in how
they tokenize: a map gets one document at a time, or ``batch`` makes lists before it and a flat map splits them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import grain
import numpy as np
from absl import flags
from grain import experimental
from tokenizers import Tokenizer
from turns import TokenCounts

_DOCUMENTS_AT_ONCE = 256
_OPEN_ROWS = 32


@dataclass(frozen=True)
class GrainTexts:
    """A set-up of Grain for the job.

    Attributes:
        together: Whether 256 documents are tokenized in one call.
        read_threads: Threads that read and tokenize.
        workers: Worker processes; with 0 everything runs in this process.
    """

    together: bool = False
    read_threads: int = 0
    workers: int = 0

    @property
    def name(self) -> str:
        """Names the set-up among those with as many workers."""
        name = "256 documents a call" if self.together else "a document a call"
        return f"{name}, {self.read_threads} threads" if self.read_threads else name

    def tokens(self, file: str, tokenizer: Tokenizer, eod_id: int, *, length: int, batch: int) -> TokenCounts:
        """Yields the number of tokens of one batch after the other; one epoch in this process, many with workers."""
        source = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(file)).shuffle(seed=7)
        if self.workers:
            source = source.repeat()
        options = grain.ReadOptions(self.read_threads, prefetch_buffer_size=max(self.read_threads, 1))
        if self.together:
            tokenize = _TokenizeTogether(tokenizer, eod_id, length)
            lists = source.batch(_DOCUMENTS_AT_ONCE, batch_fn=list).map(tokenize).to_iter_dataset(options)
            documents: Any = experimental.FlatMapIterDataset(lists, _Apart())
        else:
            documents = source.map(_Tokenize(tokenizer, eod_id, length)).to_iter_dataset(options)
        rows = experimental.FirstFitPackIterDataset(
            documents, length_struct={"tokens": length}, num_packing_bins=_OPEN_ROWS
        )
        batches = rows.batch(batch, drop_remainder=False)
        if self.workers:
            if not flags.FLAGS.is_parsed():
                flags.FLAGS(["benchmark"])  # Grain's workers do not start before absl's flags are parsed.
            batches = batches.mp_prefetch(grain.MultiprocessingOptions(self.workers, per_worker_buffer_size=2))
        iterator = iter(batches)
        try:
            for element in iterator:
                yield int(np.count_nonzero(element["tokens_segment_ids"]))
        finally:
            iterator.close()


@dataclass(frozen=True)
class _Tokenize:
    """Makes an element of a record."""

    tokenizer: Tokenizer
    eod_id: int
    longest: int

    def __call__(self, record: bytes) -> dict[str, Any]:
        return self.element(self.tokenizer.encode(record.decode(), add_special_tokens=False).ids)

    def element(self, ids: list[int]) -> dict[str, Any]:
        """Makes the element of a document, with an end token if it is not truncated."""
        return {"tokens": np.array([*ids, self.eod_id][: self.longest], np.int32)}


@dataclass(frozen=True)
class _TokenizeTogether(_Tokenize):
    """Makes elements of many records."""

    def __call__(self, records: list[bytes]) -> list[dict[str, Any]]:  # type: ignore[override]
        texts = [record.decode() for record in records]
        encodings = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [self.element(encoding.ids) for encoding in encodings]


class _Apart(experimental.FlatMapTransform):
    """Splits a list of elements."""

    max_fan_out: ClassVar[int] = _DOCUMENTS_AT_ONCE

    def flat_map(self, element: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return element


IN_PROCESS = (
    GrainTexts(),
    GrainTexts(read_threads=16),
    GrainTexts(together=True),
    GrainTexts(together=True, read_threads=2),
)
TWO_WORKERS = (GrainTexts(workers=2), GrainTexts(together=True, workers=2))
