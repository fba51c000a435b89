"""Keeps measured documents until they are delivered, so that each is read once.

A bound in bytes holds for all components of a pipeline together. A document that does not fit is read again, which
only takes time.

Groups of a component are numbered as they are planned. A part holds what was read for one group. Where a later group
has the same document, it is not read again: it stays in its part, which notes that the later group needs it too. So
no document is kept twice, however many epochs are planned.

A document that another process measured is kept after it was read, if it lies in several rows: more may come.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.errors import ClosedError
from resumable_data.packing.plan import DocumentLengths
from resumable_data.reading.documents import Documents
from resumable_data.reading.reader import Reader

_LOG = logging.getLogger(__name__)

_READ_AT_ONCE = 2048
_GROUPS_AT_ONCE = 3  # those that are delivered, or planned ahead
_NO_RECORDS = np.zeros(0, np.int64)
_BYTES_A_DOCUMENT = 40  # its place in the index, its start, its length, what was truncated, and who needs it


@dataclass(frozen=True, eq=False)
class _Part:
    """Documents that were read together.

    Attributes:
        group: The group that they were read for.
        needed: int64[n], the last group that was planned with each.
        records: int64[n], ascending.
        documents: The documents, as tokens.
    """

    group: int
    needed: Int64Array
    records: Int64Array
    documents: Documents

    @cached_property
    def sizes(self) -> Int64Array:
        """int64[n], the memory of each document in bytes."""
        tokens = self.documents.tokens
        arrays = [tokens.values, *(tokens.fields or {}).values()]
        return _BYTES_A_DOCUMENT + tokens.lengths * sum(values.itemsize for values in arrays)

    @cached_property
    def bytes(self) -> int:
        """The memory of all documents in bytes."""
        return int(self.sizes.sum())

    def take(self, places: Int64Array) -> _Part:
        """Returns the documents at int64[m] ascending places."""
        documents = self.documents.take(places).compact()
        return _Part(self.group, self.needed[places], self.records[places], documents)

    def find(self, records: Int64Array) -> tuple[BoolArray, Int64Array]:
        """Finds which of int64[m] records are here, bool[m], and the places of these, int64[found]."""
        places = np.searchsorted(self.records, records)
        here = places < len(self.records)
        here[here] = self.records[places[here]] == records[here]
        return here, places[here]


@dataclass(frozen=True, eq=False)
class _Found:
    """Kept documents that were asked for.

    Attributes:
        part: The part that keeps them.
        at: int64[n], their places in the part.
        places: int64[n], their places in the request.
    """

    part: _Part
    at: Int64Array
    places: Int64Array


class DocumentCache:
    """The documents that the readers of one pipeline keep.

    Args:
        most_bytes: Bound on the memory of all documents.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        # One thread measures while another delivers. The lock is reentrant: the garbage collector may close an
        # iterator anywhere, also here.
        self.lock = RLock()
        self.closed = False
        self._readers: list[CachedReader] = []

    def add(self, reader: Reader, path: str) -> CachedReader:
        """Returns the reader of the component at ``path``. It keeps here what it measures."""
        cached = CachedReader(reader, path, self)
        self._readers.append(cached)
        return cached

    @property
    def bytes(self) -> int:
        """The memory of all that is kept, in bytes."""
        return sum(part.bytes for reader in self._readers for part in (*reader.parts, *reader.again))

    def close(self) -> None:
        """Drops everything. A thread that measures notices this before its next read."""
        with self.lock:
            self.closed = True
            for reader in self._readers:
                reader.parts, reader.again = [], ()

    def make_room(self) -> None:
        """Drops what is delivered last, until the rest has room. The caller holds the lock."""
        for reader in self._readers if self.bytes > self.most_bytes else ():
            reader.again = ()
        while (surplus := self.bytes - self.most_bytes) > 0:
            reader = max(self._readers, key=lambda one: one.ahead)
            part = max(reader.parts, key=lambda one: one.group)
            reader.parts.remove(part)
            fitting = int(np.searchsorted(np.cumsum(part.sizes), part.bytes - surplus, side="right"))
            if fitting:
                reader.parts.append(part.take(np.arange(fitting)))
            reader.warn(part)


class CachedReader:
    """Reads the documents of one component, and keeps those that it measured.

    Args:
        reader: Reads the documents.
        path: The component's path, for a warning.
        cache: Bounds the memory.
    """

    def __init__(self, reader: Reader, path: str, cache: DocumentCache) -> None:
        self.parts: list[_Part] = []
        self.again: tuple[_Part, ...] = ()  # one part at most
        self._split = deque([_NO_RECORDS], maxlen=_GROUPS_AT_ONCE)
        self._reader = reader
        self._path = path
        self._cache = cache
        self._planned = 0  # the group that is being planned
        self._delivered = 0  # the group that is being delivered
        self._warned = False

    @property
    def reads_together(self) -> bool:
        """Whether many documents are read faster in one call than one by one."""
        return self._reader.reads_together

    def measure(self, indices: Int64Array) -> DocumentLengths:
        """Reads the documents at int64[n] indices and returns how long they are; -1 for a dropped one."""
        wanted, places = np.unique(indices, return_inverse=True)
        with self._cache.lock:
            found, missing = self._find(wanted)
            for kept in found:
                kept.part.needed[kept.at] = self._planned
        documents = self._collect(wanted, found, missing)
        if len(missing):
            read = documents.take(missing).compact() if found else documents
            part = _Part(self._planned, np.full(len(missing), self._planned), wanted[missing], read)
            with self._cache.lock:
                self.parts.append(part)
                self._cache.make_room()
        return documents.lengths.take(places)

    def expect(self, split: Int64Array = _NO_RECORDS) -> None:
        """Ends a group: documents that are measured next are delivered after those measured so far.

        Args:
            split: int64[n], the records of the group that lie in several rows.
        """
        self._planned += 1
        self._split.append(split)

    def read(self, indices: Int64Array) -> Documents:
        """Returns the documents at int64[n] indices, from memory or by reading."""
        return self._reader.read(indices)

    def read_tokens(self, indices: Int64Array) -> Documents:
        """Returns the documents' tokens, with aligned fields. Documents to be delivered before them are dropped."""
        with self._cache.lock:
            found, missing = self._find(indices)
            self._drop_before(max((kept.part.group for kept in found), default=0))
        documents = self._collect(indices, found, missing)
        self._keep_split(indices[missing], documents, missing)
        return documents

    def name_of(self, index: int) -> str:
        """Names the document at an index, for errors."""
        return self._reader.name_of(index)

    def warn(self, part: _Part) -> None:
        """Warns once that documents have to be read again."""
        if self._warned:
            return
        self._warned = True
        _LOG.warning(
            "component %r: documents are read twice, once to be measured and once to be delivered: the %d that are "
            "planned together take %d MB, and all components together may keep %d MB. Raise kept_bytes= of "
            "measure(…), or lower window= of pack(…)",
            self._path,
            len(part.records),
            part.bytes >> 20,
            self._cache.most_bytes >> 20,
        )

    @property
    def ahead(self) -> int:
        """The number of groups from the delivered one to the latest one that is kept; -1 if none is kept."""
        return max((part.group - self._delivered for part in self.parts), default=-1)

    def _drop_before(self, group: int) -> None:
        """Drops documents that neither this group nor a later one needs."""
        if group <= self._delivered:
            return
        self._delivered = group
        needed = [(part, np.flatnonzero(part.needed >= group)) for part in self.parts]
        self.parts = [
            part if len(places) == len(part.records) else part.take(places) for part, places in needed if len(places)
        ]

    def _keep_split(self, records: Int64Array, documents: Documents, places: Int64Array) -> None:
        """Keeps documents that lie in several rows: int64[n] records, at int64[n] places of ``documents``."""
        split = np.concatenate(list(self._split))
        new = np.isin(records, split)
        if not new.any():
            return
        parts = [part.take(np.flatnonzero(np.isin(part.records, split))) for part in self.again]
        parts = [part for part in parts if len(part.records)]
        found = np.concatenate([*(part.records for part in parts), records[new]])
        order = np.argsort(found, kind="stable")
        together = Documents.concatenate(
            [*(part.documents for part in parts), documents.take(places[new]).compact()]
        ).take(order)
        # No group is sure to need them, so they do not decide which group is delivered.
        again = _Part(0, np.zeros(len(found), np.int64), found[order], together.compact())
        with self._cache.lock:
            self.again = ()
            if self._cache.bytes + again.bytes <= self._cache.most_bytes:
                self.again = (again,)

    def _find(self, records: Int64Array) -> tuple[Sequence[_Found], Int64Array]:
        """Finds which of int64[n] records are kept, and the places of those that are not."""
        missing = np.arange(len(records))
        found: list[_Found] = []
        for part in (*self.parts, *self.again):
            here, at = part.find(records[missing])
            if here.any():
                found.append(_Found(part, at, missing[here]))
                missing = missing[~here]
        return found, missing

    def _collect(self, records: Int64Array, found: Sequence[_Found], missing: Int64Array) -> Documents:
        """Collects the documents of int64[n] records: the found ones, and the others, which it reads."""
        parts = [kept.part.documents.take(kept.at) for kept in found]
        places = [kept.places for kept in found]
        for begin in range(0, len(missing), _READ_AT_ONCE):
            if self._cache.closed:
                raise ClosedError(f"component {self._path!r} cannot read documents: its iterator is closed")
            some = missing[begin : begin + _READ_AT_ONCE]
            parts.append(self._reader.read_tokens(records[some]))
            places.append(some)
        return _in_order(parts, places)


def _in_order(parts: Sequence[Documents], places: Sequence[Int64Array]) -> Documents:
    """Joins the documents of several parts, each at its place."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Documents.nothing(0).as_tokens(None, str)
    together = np.concatenate(places)
    order = np.empty(len(together), np.int64)
    order[together] = np.arange(len(together))
    return Documents.concatenate([part.compact() for part in parts]).take(order)
