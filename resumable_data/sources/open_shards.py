"""The open shards of all sources of a process: only a few, and the least recently used is closed first."""

from __future__ import annotations

import errno
import itertools
import os
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from etils import epath

from resumable_data.errors import SourceError
from resumable_data.locks import ForkLock
from resumable_data.sources.shard_facts import Reader, ShardFacts, is_unchanged, open_reader
from resumable_data.system_errors import explain, system_error_in

# Of so many files that the process may open, one is a shard. It needs the others elsewhere.
_FILES_EACH = 4
_READ_AT_ONCE = 8

_Key = tuple[int, int]  # a source's number, and a shard's


class OpenShards:
    """Readers of the shards of a source. Each opens at its first use.

    At its first opening, a shard must be as it was when it was measured.

    Args:
        paths: The shards.
        facts: The facts of each.
        advice: What to do, for the error about a changed shard.
        pool: The open readers; by default all sources of the process share one pool.
    """

    def __init__(
        self, paths: Sequence[epath.Path], facts: Sequence[ShardFacts], advice: str, pool: ReaderPool | None = None
    ) -> None:
        self._paths = paths
        self._facts = facts
        self._advice = advice
        self._pool = _pool if pool is None else pool
        self._number = next(_numbers)
        self._checked: set[int] = set()
        weakref.finalize(self, self._pool.close, self._number)

    def __reduce__(self) -> tuple[object, ...]:
        # Open files stay in their process; a copy opens its own.
        return OpenShards, (self._paths, self._facts, self._advice)

    def read(self, requests: Sequence[tuple[int, list[int]]]) -> list[list[bytes]]:
        """Reads records of several shards in parallel.

        Args:
            requests: The number of each shard, and the numbers of its records.

        Raises:
            SourceError: A shard cannot be read, or was changed.
        """
        if len(requests) < 2:
            return [self._read(*request) for request in requests]
        # Threads that are kept would outlive the iterators. Starting some costs little compared with a read.
        with ThreadPoolExecutor(min(_READ_AT_ONCE, os.cpu_count() or 1, len(requests)), "array-record") as threads:
            return list(threads.map(self._read, *zip(*requests, strict=True)))

    def close(self) -> None:
        """Closes every shard of this source; they are opened again when needed."""
        self._pool.close(self._number)

    def _read(self, shard: int, records: list[int]) -> list[bytes]:
        try:
            return self._reader(shard).read(records)
        except RuntimeError as error:
            # After one failure a reader always fails, so the next attempt opens the shard again.
            self._pool.forget((self._number, shard))
            cause = system_error_in(str(error))
            if cause is None:
                self._checked.discard(shard)
                raise SourceError(
                    f"{self._paths[shard]} cannot be read: {error}. Was it changed, cut short or damaged?"
                ) from error
            raise SourceError(f"{self._paths[shard]} cannot be read: {explain(cause)}") from cause

    def _reader(self, shard: int) -> Reader:
        key = self._number, shard
        reader = self._pool.get(key)
        if reader is None:
            try:
                reader = self._opened(shard)
            except SourceError as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.EMFILE, errno.ENFILE):
                    self._pool.close_all()  # The next attempt needs free file handles.
                raise
            self._pool.put(key, reader)
        return reader

    def _opened(self, shard: int) -> Reader:
        path, facts = self._paths[shard], self._facts[shard]
        if shard not in self._checked and not is_unchanged(path, facts):
            raise SourceError(f"{path} was changed, cut short or damaged since it was measured. {self._advice}")
        reader = open_reader(path, facts.size)
        if reader.num_records() != facts.records:
            raise SourceError(f"{path} has {reader.num_records()} records, {facts.records} before. {self._advice}")
        self._checked.add(shard)
        return reader


class ReaderPool:
    """Open readers of any number of sources.

    Args:
        most_open: The most open readers, if the process may open that many files.
    """

    def __init__(self, most_open: int = 128) -> None:
        self._most_open = most_open
        self._readers: OrderedDict[_Key, Reader] = OrderedDict()
        self._lock = ForkLock()  # It is reentrant: Python may delete a source anywhere, also here.

    def get(self, key: _Key) -> Reader | None:
        """Returns an open reader; None if it is not open."""
        with self._lock:
            if key in self._readers:
                self._readers.move_to_end(key)
            return self._readers.get(key)

    def put(self, key: _Key, reader: Reader) -> None:
        """Keeps a reader. A reader that it pushes out is closed when nobody reads from it any more."""
        with self._lock:
            self._readers[key] = reader
            while len(self._readers) > self._limit():
                self._readers.popitem(last=False)

    def forget(self, key: _Key) -> None:
        """Drops a reader. If it is in use, it is closed after its read."""
        with self._lock:
            self._readers.pop(key, None)

    def close(self, source: int) -> None:
        """Closes the readers of one source."""
        with self._lock:
            closed = [self._readers.pop(key) for key in list(self._readers) if key[0] == source]
        for reader in closed:
            with suppress(RuntimeError):  # of an earlier read, which was reported then
                reader.close()

    def close_all(self) -> None:
        """Drops every reader. A reader in use is closed after its read."""
        with self._lock:
            self._readers.clear()

    def _limit(self) -> int:
        try:
            import resource
        except ImportError:  # Windows has no such limit.
            return self._most_open
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        unlimited = soft == resource.RLIM_INFINITY
        return self._most_open if unlimited else max(1, min(self._most_open, soft // _FILES_EACH))


_numbers = itertools.count()
_pool = ReaderPool()
