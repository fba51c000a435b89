"""``ReplayBuffer``: the latest records of a sequential source, by their number."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from resumable_data.digest import canonical_json
from resumable_data.errors import RecordError, ResumableDataError, SourceError, StateError
from resumable_data.locks import ForkLock
from resumable_data.opaque import Record
from resumable_data.sources.record_memory import memory_of
from resumable_data.sources.retries import Retries
from resumable_data.sources.sequential import SequentialReader, SequentialSource
from resumable_data.timing import Work
from resumable_data.waits import Doing

BEGINNING = "null"
"""The state before the first record, as text."""


class _Head(NamedTuple):
    """The reader that reads forward, the number of records before it, and its state as canonical JSON."""

    position: int
    state: str
    reader: SequentialReader
    records: Iterator[Record]


class _Stretch(NamedTuple):
    """Records that were read together, their number, and the states before and after them."""

    found: int
    before: str
    after: str

    @property
    def bytes(self) -> int:
        return len(self.before) + len(self.after)


class ReplayBuffer:
    """The latest records of a sequential source by their number. A record that was not kept is read again.

    A record is kept from when it is planned until it is asked for. After that it is kept while there is room, which
    is bounded in bytes. A buffer belongs to one iterator, which closes it.

    Args:
        source: The records.
        retries: How often a stretch is read again, from the state before it, if storage fails.
        kept_bytes: Bound on the memory of the records that were asked for.
        stretches_bytes: Bound on the memory of the states from which records can be read again.
        fewest_stretches: How many of these states are kept even if the bound is exceeded.
    """

    def __init__(
        self,
        source: SequentialSource,
        retries: Retries,
        kept_bytes: int = 2**24,
        stretches_bytes: int = 2**24,
        fewest_stretches: int = 64,
    ) -> None:
        self._source = source
        self._retries = retries
        self._kept_bytes = kept_bytes
        self._most_stretches_bytes = stretches_bytes
        self._fewest_stretches = fewest_stretches
        self._lock = ForkLock()
        self._head: _Head | None = None
        self._stretches: OrderedDict[tuple[int, int], _Stretch] = OrderedDict()
        self._stretches_bytes = 0
        self._planned: dict[int, Record] = {}
        self._asked: OrderedDict[int, tuple[Record, int]] = OrderedDict()
        self._asked_bytes = 0
        self._again: dict[int, Record] = {}  # the rest of the stretch that was read once more

    def advance(self, start: int, state: str, count: int) -> tuple[int, str]:
        """Reads ``count`` records from number ``start`` on, or the rest.

        Args:
            start: Number of records before the first one.
            state: Canonical JSON of the source's state there.
            count: Number of records to read.

        Returns:
            The number of records that were read, and the state after them.

        Raises:
            SourceError: Storage fails at every attempt.
            RecordError: A record is bad, and the source cannot go past it.
        """
        with self._lock:
            known = self._stretches.get((start, count))
            if known is None or known.before != state:
                with Doing(lambda: f"reading {count} records of {self._source!r}", Work.READING):
                    known = self._retries.read(lambda: self._read(start, state, count), repr(self._source))
                self._remember((start, count), known)
            return known.found, known.after

    def record(self, number: int) -> Record:
        """Returns a record, or the ``BadRecord`` in its place, from memory or by reading its stretch again.

        Raises:
            SourceError: It was read too long ago.
        """
        with self._lock:
            if number not in self._planned:
                if number in self._asked:
                    return self._asked[number][0]
                if number not in self._again:
                    self._read_again(number)
            record = self._planned.pop(number) if number in self._planned else self._again.pop(number)
            self._keep(number, record)
            return record

    def close(self) -> None:
        """Drops everything. A later request reads again."""
        # Without the lock: a thread may hold it for ever if storage does not answer.
        self._head = None
        self._stretches, self._planned, self._asked, self._again = OrderedDict(), {}, OrderedDict(), {}
        self._stretches_bytes = self._asked_bytes = 0

    def _read(self, start: int, state: str, count: int) -> _Stretch:
        """Reads forward."""
        head = self._head
        if head is None or (head.position, head.state) != (start, state):
            reader = self._opened(state)
            head = _Head(start, state, reader, iter(reader))
            self._planned.clear()  # The old place is no longer of use.
        self._head = None  # After an error in the middle, nobody knows the reader's place.
        records = self._next(head.records, start, count)
        after = canonical_json(head.reader.state()) if records else state
        self._planned.update(records)
        self._head = _Head(start + len(records), after, head.reader, head.records)
        return _Stretch(len(records), state, after)

    def _opened(self, state: str) -> SequentialReader:
        """Opens a reader at a state of the source, as text."""
        try:
            return self._source.open_at(json.loads(state))
        except ResumableDataError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            if state == BEGINNING:
                raise
            raise StateError(f"{self._source!r} cannot go to its saved state {state}: {error!r}") from error

    def _next(self, records: Iterator[Record], start: int, count: int) -> dict[int, Record]:
        """Reads the next ``count`` records, or the rest, by their number."""
        found: dict[int, Record] = {}
        try:
            while len(found) < count:
                found[start + len(found)] = next(records)
        except StopIteration:
            pass
        except RecordError as error:
            raise RecordError(
                f"{self._source!r}, record {start + len(found)} of the stream: {error}. The stream cannot go past it"
            ) from error
        return found

    def _read_again(self, number: int) -> None:
        """Reads the stretch of a record again, with a second reader."""
        for place, stretch in reversed(self._stretches.items()):
            start, count = place
            if start <= number < start + stretch.found:
                break
        else:
            raise SourceError(f"record {number} of a sequential source was read too long ago to be read again")

        def read() -> dict[int, Record]:
            return self._next(iter(self._source.open_at(json.loads(stretch.before))), start, count)

        found = self._retries.read(read, repr(self._source))
        self._again = {place: record for place, record in found.items() if place >= number}
        if number not in self._again:
            raise SourceError(f"{self._source!r}: record {number} of the stream is missing. Has the source changed?")

    def _keep(self, number: int, record: Record) -> None:
        """Keeps a record that was asked for, while there is room."""
        size = memory_of(record)
        _, before = self._asked.pop(number, (None, 0))
        self._asked[number] = record, size
        self._asked_bytes += size - before
        while self._asked_bytes > self._kept_bytes:
            _, (_, size) = self._asked.popitem(last=False)
            self._asked_bytes -= size

    def _remember(self, place: tuple[int, int], stretch: _Stretch) -> None:
        """Remembers the place of a stretch, so that it can be read again."""
        before = self._stretches.pop(place, None)
        self._stretches[place] = stretch
        self._stretches_bytes += stretch.bytes - (before.bytes if before else 0)
        while self._stretches_bytes > self._most_stretches_bytes and len(self._stretches) > self._fewest_stretches:
            _, dropped = self._stretches.popitem(last=False)
            self._stretches_bytes -= dropped.bytes
