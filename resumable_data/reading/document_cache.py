"""Documents that were read to be measured, kept until they are delivered, so that each is read once.

What is kept is bounded in bytes, over all components of a pipeline. A document that did not fit is read again, which
changes nothing but the time that it takes.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.packing.plan import DocumentLengths
from resumable_data.reading.documents import Documents
from resumable_data.reading.reader import Reader

_LOG = logging.getLogger(__name__)

_READ_AT_ONCE = 2048
_GROUPS_AT_ONCE = 3  # that are delivered, planned ahead, or left behind
_BYTES_A_DOCUMENT = 32  # its place in the index, its start, its length and what was truncated


@dataclass(frozen=True, eq=False)
class _Part:
    """Documents that were measured together.

    Attributes:
        generation: How many groups of the component were planned before.
        records: int64[n], ascending.
        documents: Them, as tokens.
    """

    generation: int
    records: Int64Array
    documents: Documents

    @cached_property
    def sizes(self) -> Int64Array:
        """int64[n], the bytes of memory that each takes."""
        tokens = self.documents.tokens
        arrays = [tokens.values, *(tokens.fields or {}).values()]
        return _BYTES_A_DOCUMENT + tokens.lengths * sum(values.itemsize for values in arrays)

    @cached_property
    def bytes(self) -> int:
        """The memory that they take together."""
        return int(self.sizes.sum())

    def first(self, count: int) -> _Part:
        """The first so many of them."""
        return _Part(self.generation, self.records[:count], self.documents.take(np.arange(count)).compact())

    def find(self, records: Int64Array) -> tuple[BoolArray, Int64Array]:
        """Which of int64[m] records are here, bool[m], and the places of those, int64[found]."""
        places = np.minimum(np.searchsorted(self.records, records), max(len(self.records) - 1, 0))
        here = self.records[places] == records if len(self.records) else np.zeros(len(records), np.bool_)
        return here, places[here]


_NOTHING = _Part(-1, np.zeros(0, np.int64), Documents.nothing(0).as_tokens(None, str))


class DocumentCache:
    """What the readers of one pipeline keep.

    Args:
        most_bytes: Bound on the memory of all of it.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._readers: list[CachedReader] = []
        self._lock = Lock()

    def add(self, reader: Reader, path: str) -> CachedReader:
        """The reader of the component at ``path``, which keeps what it measures here."""
        cached = CachedReader(reader, path, self)
        self._readers.append(cached)
        return cached

    @property
    def bytes(self) -> int:
        """The memory of all that is kept."""
        return sum(part.bytes for reader in self._readers for part in (*reader.parts, reader.again))

    def clear(self) -> None:
        """Drops everything."""
        with self._lock:
            for reader in self._readers:
                reader.parts, reader.again = [], _NOTHING

    def keep(self, reader: CachedReader, part: _Part) -> None:
        """Keeps what was measured, as far as there is room: what is delivered last is thrown out first."""
        with self._lock:
            reader.parts = [*reader.parts, part]
            while self.bytes > self.most_bytes:
                last = max(self._readers, key=lambda one: one.ahead)
                victim = max(last.parts, key=lambda kept: kept.generation)
                last.parts = [kept for kept in last.parts if kept is not victim]
                fitting = int(np.searchsorted(np.cumsum(victim.sizes), self.most_bytes - self.bytes, side="right"))
                if fitting:
                    last.parts = [*last.parts, victim.first(fitting)]
                last.warn(victim)

    def has_room(self, part: _Part) -> bool:
        """Whether a part can be kept, and nothing be thrown out for it."""
        return self.bytes + part.bytes <= self.most_bytes


class CachedReader:
    """Reads the documents of one component, and keeps those that it measured.

    What another process measured is kept too once it was read, if it lies in several rows: the next of them may be
    delivered here as well.

    Args:
        reader: What reads them.
        path: The component's path, for a warning.
        cache: What bounds all that is kept.
    """

    def __init__(self, reader: Reader, path: str, cache: DocumentCache) -> None:
        self.parts: list[_Part] = []
        self.again = _NOTHING
        self.delivering = 0
        self._split = deque([_NOTHING.records], maxlen=_GROUPS_AT_ONCE)
        self._reader = reader
        self._path = path
        self._cache = cache
        self._planned = 0
        self._warned = False

    def measure(self, indices: Int64Array) -> DocumentLengths:
        """How long the documents at int64[n] indices are, which are read for it; -1 for one that is dropped."""
        wanted, places = np.unique(indices, return_inverse=True)
        documents = self._read(wanted)
        self._cache.keep(self, _Part(self._planned, wanted, documents))
        return documents.lengths.take(places)

    def expect(self, split: Int64Array) -> None:
        """Hears that what was measured so far makes a group: what is measured next is delivered after it.

        Args:
            split: int64[n], those of its documents that lie in several rows.
        """
        self._planned += 1
        self._split.append(split)

    def read(self, indices: Int64Array) -> Documents:
        """The documents themselves."""
        return self._reader.read(indices)

    def read_tokens(self, indices: Int64Array) -> Documents:
        """The documents' tokens, with the fields aligned. What was to be delivered before them is dropped."""
        documents, latest, missing = self._find(indices)
        self.delivering = max(self.delivering, latest)
        self.parts = [part for part in self.parts if part.generation >= self.delivering]
        self._keep_split(indices[missing], documents.take(missing))
        return documents

    def name_of(self, index: int) -> str:
        """What an error calls the document at an index."""
        return self._reader.name_of(index)

    def warn(self, part: _Part) -> None:
        """Says once that documents have to be read again."""
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
        """How many groups the latest that is kept lies ahead of the one that is delivered; -1 where none is kept."""
        return max((part.generation - self.delivering for part in self.parts), default=-1)

    def _read(self, records: Int64Array) -> Documents:
        """Documents of int64[n] ascending records, from what is kept, or read."""
        return self._find(records)[0].compact()

    def _keep_split(self, records: Int64Array, documents: Documents) -> None:
        """Keeps those of int64[n] records that lie in several rows, of the groups that were planned of late."""
        split = np.concatenate(self._split)
        new = np.flatnonzero(np.isin(records, split))
        if not len(new):
            return
        old = np.flatnonzero(np.isin(self.again.records, split))
        found = np.concatenate([self.again.records[old], records[new]])
        order = np.argsort(found, kind="stable")
        parts = [self.again.documents.take(old), documents.take(new)]
        together = Documents.concatenate([part for part in parts if len(part)]).take(order).compact()
        self.again = _NOTHING
        again = _Part(_NOTHING.generation, found[order], together)
        if self._cache.has_room(again):
            self.again = again

    def _find(self, records: Int64Array) -> tuple[Documents, int, Int64Array]:
        """The same in any order, the latest generation that one was found in, and the places of what was read."""
        missing = np.arange(len(records))
        found: list[Documents] = []
        places: list[Int64Array] = []
        latest = self.delivering
        for part in [*self.parts, self.again]:
            here, at = part.find(records[missing])
            if not here.any():
                continue
            latest = max(latest, part.generation)
            found.append(part.documents.take(at))
            places.append(missing[here])
            missing = missing[~here]
            if not len(missing):
                break
        for begin in range(0, len(missing), _READ_AT_ONCE):
            some = missing[begin : begin + _READ_AT_ONCE]
            found.append(self._reader.read_tokens(records[some]))
            places.append(some)
        return _in_order(found, places, len(records)), latest, missing


def _in_order(parts: Sequence[Documents], places: Sequence[Int64Array], count: int) -> Documents:
    """Documents of several parts, each at its place among all."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Documents.nothing(0).as_tokens(None, str)
    order = np.empty(count, np.int64)
    order[np.concatenate(places)] = np.arange(count)
    return Documents.concatenate([part.compact() for part in parts]).take(order)
