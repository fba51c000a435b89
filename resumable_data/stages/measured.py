"""Documents whose lengths show only when they are read, as those of text that is tokenised on the fly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from resumable_data.arrays import Int32Array, Int64Array, Ragged
from resumable_data.stages.stage import DocumentReader

_KEPT_BYTES = 2**28
_BYTES_A_DOCUMENT = 100  # what an array costs beside its tokens


class Measured:
    """Reads documents to plan them, and keeps them until they are assembled, so that each is read once.

    What is kept is bounded; a document that had to go is read again, which changes nothing but the time it takes.

    Args:
        documents: What reads them.
        kept_bytes: Bound on the memory of those kept.
    """

    def __init__(self, documents: DocumentReader, kept_bytes: int = _KEPT_BYTES) -> None:
        self._documents = documents
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[int, Int32Array | None] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def lengths(self, records: Int64Array) -> Int64Array:
        """Tokens of the documents of int64[n] records, which are read for it; -1 for one that is dropped."""
        found = self._found(records)
        return np.fromiter((-1 if tokens is None else len(tokens) for tokens in found), np.int64, len(found))

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents, whatever they are."""
        return self._documents.read(records)

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The documents' tokens."""
        nothing = np.zeros(0, np.int32)
        return Ragged.from_records([nothing if tokens is None else tokens for tokens in self._found(records)])

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        return self._documents.name_of(record)

    def _found(self, records: Int64Array) -> list[Int32Array | None]:
        """Tokens of each document, or None for one that is dropped."""
        wanted = records.tolist()
        found: dict[int, Int32Array | None] = {}
        with self._lock:
            for record in wanted:
                if record in self._kept:
                    self._kept.move_to_end(record)
                    found[record] = self._kept[record]
        missing = np.array([record for record in dict.fromkeys(wanted) if record not in found], np.int64)
        if missing.size:
            documents = self._documents.read_tokens(missing)
            dropped = documents.dropped
            for place, (record, tokens) in enumerate(zip(missing.tolist(), documents, strict=True)):
                # A copy, so that one document does not keep the memory of all that were read with it.
                found[record] = None if dropped is not None and dropped[place] else tokens.copy()
            self._keep({record: found[record] for record in missing.tolist()})
        return [found[record] for record in wanted]

    def _keep(self, read: dict[int, Int32Array | None]) -> None:
        with self._lock:
            for record, tokens in read.items():
                if record not in self._kept:
                    self._kept[record] = tokens
                    self._bytes += _size(tokens)
            while self._bytes > self._kept_bytes and self._kept:
                _, tokens = self._kept.popitem(last=False)
                self._bytes -= _size(tokens)


def _size(tokens: Int32Array | None) -> int:
    return _BYTES_A_DOCUMENT + (0 if tokens is None else tokens.nbytes)
