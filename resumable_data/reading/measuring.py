"""How long documents are, for plans: known, or measured by reading, alone or by shares."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Mapping, Sequence
from threading import Lock, Thread, current_thread
from typing import Any, Protocol

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.packing.plan import DocumentLengths, DocumentPlan, RowPlan, concatenate_documents
from resumable_data.processes.length_exchange import LengthExchange
from resumable_data.reading.document_cache import CachedReader, DocumentCache
from resumable_data.reading.read import by_reader
from resumable_data.reading.reader import MeasuringReader

_LONGEST_JOIN_SECONDS = 10.0


class KnownLengths:
    """Lengths that sources know.

    Args:
        readers: The pipeline's readers, to which plans refer.
    """

    known = True

    def __init__(self, readers: Sequence[MeasuringReader]) -> None:
        self._readers = readers

    def measure(self, windows: Sequence[DocumentPlan], shards: Sequence[int]) -> Sequence[DocumentLengths]:
        """The lengths of each window's documents."""
        return _lengths_of_windows(self._readers, windows)

    def expect(self, rows: RowPlan) -> None:
        """Nothing is kept that could be thrown out."""

    def run_ahead(self, task: Callable[[], None]) -> None:
        """Nothing is worth a thread."""


def _lengths_of_windows(
    readers: Sequence[MeasuringReader], windows: Sequence[DocumentPlan]
) -> Sequence[DocumentLengths]:
    """The lengths of all windows, asked for in one call a reader."""
    if len(windows) == 1:
        return [_lengths_of(readers, windows[0])]
    together = _lengths_of(readers, concatenate_documents(windows))
    bounds = offsets_of(np.fromiter(map(len, windows), np.int64, len(windows))).tolist()
    return [together.slice(bounds[i], bounds[i + 1]) for i in range(len(windows))]


def _lengths_of(readers: Sequence[MeasuringReader], documents: DocumentPlan) -> DocumentLengths:
    tokens = np.zeros(len(documents), np.int64)
    truncated: Int64Array | None = None
    for number, places in by_reader(documents.reader, np.arange(len(documents))):
        found = readers[number].measure(documents.record[places])
        tokens[places] = found.tokens
        if found.truncated is not None:
            truncated = np.zeros(len(documents), np.int64) if truncated is None else truncated
            truncated[places] = found.truncated
    return DocumentLengths(tokens, truncated)
