"""The lengths of documents for plans: known, or measured by reading, alone or in shares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from threading import RLock, Thread, current_thread

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.packing.plan import DocumentLengths, DocumentPlan, RowPlan, concatenate_documents
from resumable_data.processes.length_exchange import LengthExchange
from resumable_data.reading.document_cache import CachedReader, DocumentCache
from resumable_data.reading.read import by_reader
from resumable_data.reading.reader import Reader
from resumable_data.threads import join_all
from resumable_data.timing import Work, counted_here
from resumable_data.waits import Doing

KEPT_BYTES = 2**30
"""Default bound on the memory of the documents that are kept."""


class KnownLengths:
    """Lengths that sources know.

    Args:
        readers: The pipeline's readers, to which plans refer.
        reads_counts: Whether documents are read nevertheless, to count what must be counted in them.
    """

    known = True

    def __init__(self, readers: Sequence[Reader], *, reads_counts: bool = False) -> None:
        self._readers = readers
        self._reads_counts = reads_counts

    def measure(self, windows: Sequence[DocumentPlan], shards: Sequence[int]) -> Sequence[DocumentLengths]:
        """Returns the lengths of each window's documents."""
        return _lengths_of_windows(self._readers, windows, reads=self._reads_counts)

    def expect(self, rows: RowPlan) -> None:
        """Does nothing: no documents are kept."""

    def run_ahead(self, task: Callable[[], None]) -> None:
        """Does nothing: a thread would save no time."""


def _lengths_of_windows(
    readers: Sequence[Reader], windows: Sequence[DocumentPlan], *, reads: bool = False
) -> Sequence[DocumentLengths]:
    """Returns the lengths of all windows, with one call a reader."""
    if len(windows) == 1:
        return [_lengths_of(readers, windows[0], reads=reads)]
    together = _lengths_of(readers, concatenate_documents(windows), reads=reads)
    bounds = offsets_of(np.fromiter(map(len, windows), np.int64, len(windows))).tolist()
    return [together.slice(bounds[i], bounds[i + 1]) for i in range(len(windows))]


def _lengths_of(readers: Sequence[Reader], documents: DocumentPlan, *, reads: bool) -> DocumentLengths:
    tokens = np.zeros(len(documents), np.int64)
    counts: Int64Array | None = None
    for number, places in by_reader(documents.reader, np.arange(len(documents))):
        records = documents.record[places]
        found = readers[number].read_tokens(records).lengths if reads else readers[number].measure(records)
        tokens[places] = found.tokens
        if found.counts is not None:
            counts = np.zeros((len(documents), found.counts.shape[1]), np.int64) if counts is None else counts
            counts[places] = found.counts
    return DocumentLengths(tokens, counts)


class Measuring:
    """Measures the documents of one pipeline, and keeps them until they are delivered.

    Args:
        exchange: Exchanges lengths with other processes, each of which measures its share; None to measure all here.
        kept_bytes: Bound on the memory of the documents that are kept.
    """

    def __init__(self, exchange: LengthExchange | None, kept_bytes: int) -> None:
        self.exchange = exchange
        self.cache = DocumentCache(kept_bytes)
        self._threads: list[Thread] = []
        self._lock = RLock()  # The garbage collector may close an iterator anywhere, also here.
        self._closed = False

    @classmethod
    def alone(cls) -> Measuring:
        """Makes one that measures everything in this process."""
        return cls(None, KEPT_BYTES)

    def keep(self, reader: Reader, path: str) -> CachedReader:
        """Returns the reader of the component at ``path``. It keeps what it measures."""
        return self.cache.add(reader, path)

    def lengths(self, readers: Sequence[Reader], keys: Mapping[int, str], path: str) -> MeasuredLengths:
        """Returns the lengths of documents that some of these readers have to read.

        Args:
            readers: The pipeline's readers, by number.
            keys: From the number of a reader to a digest of all that decides the lengths of its documents.
            path: The path of the component, or of the mix of documents, for errors.
        """
        return MeasuredLengths(self, readers, keys, path)

    def run_ahead(self, task: Callable[[], None]) -> None:
        """Runs a task in a thread, if there is room to keep what it measures."""
        if 2 * self.cache.bytes > self.cache.most_bytes:
            return

        def planned() -> None:
            with Doing(_planning_ahead, Work.PLANNING):
                task()

        with self._lock:
            if self._closed:
                return
            thread = Thread(target=counted_here(planned), name="resumable_data measure", daemon=True)
            self._threads = [*(running for running in self._threads if running.is_alive()), thread]
            thread.start()

    @property
    def is_ahead(self) -> bool:
        """Tells whether the present thread runs such a task."""
        return current_thread() in self._threads

    def close(self) -> None:
        """Ends waits for other processes and background tasks, and drops the kept documents."""
        with self._lock:
            self._closed = True
        if self.exchange is not None:
            self.exchange.close()
        self.cache.close()
        # The garbage collector may call this in one of our threads, for which others may be waiting.
        if not current_thread().daemon:
            join_all(self._threads)


def _planning_ahead() -> str:
    return "planning the documents after these"


class MeasuredLengths:
    """Lengths that are known only after documents are read.

    Args:
        measuring: Measures the documents.
        readers: The pipeline's readers, by number.
        keys: From the number of a reader to a digest of all that decides the lengths of its documents.
        path: The path of the component, or of the mix of documents, for errors.
    """

    known = False

    def __init__(self, measuring: Measuring, readers: Sequence[Reader], keys: Mapping[int, str], path: str) -> None:
        self._measuring = measuring
        self._readers = readers
        self._keys = keys
        self._path = path

    def measure(self, windows: Sequence[DocumentPlan], shards: Sequence[int]) -> Sequence[DocumentLengths]:
        """Returns the lengths of each window's documents, measured here or by the process of its logical shard."""
        exchange = self._measuring.exchange
        if exchange is None:
            return _lengths_of_windows(self._readers, windows)

        def measure(places: Int64Array) -> Sequence[tuple[Int64Array, Int64Array | None]]:
            found = _lengths_of_windows(self._readers, [windows[int(place)] for place in places])
            return [(lengths.tokens, lengths.counts) for lengths in found]

        keys = [self._key(window) for window in windows]
        counts, ahead = [len(window) for window in windows], self._measuring.is_ahead
        found = exchange.share(keys, shards, measure, counts, self._path, ahead=ahead)
        return [DocumentLengths(*lengths) for lengths in found]

    def expect(self, rows: RowPlan) -> None:
        """Ends a group of these rows: all that was measured since the last call belongs to it."""
        for number in self._keys:
            reader = self._readers[number]
            if isinstance(reader, CachedReader):
                records, spans = np.unique(rows.record[rows.reader == number], return_counts=True)
                reader.expect(records[spans > 1])

    def run_ahead(self, task: Callable[[], None]) -> None:
        """Runs a task in a thread, if there is room to keep what it measures."""
        self._measuring.run_ahead(task)

    def _key(self, window: DocumentPlan) -> str:
        """Digests the documents of a window, in the same way on all processes and in all runs."""
        found = hashlib.blake2b(digest_size=16)
        for number, places in by_reader(window.reader, np.arange(len(window))):
            found.update(self._keys[number].encode())
            found.update(places.astype("<i8").tobytes())
            found.update(window.record[places].astype("<i8").tobytes())
        return found.hexdigest()
