"""Records that can only be had one after the other, from a state of the source's own."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from resumable_data.digest import Json, canonical_json
from resumable_data.errors import SourceError
from resumable_data.locks import ForkLock
from resumable_data.sources.retries import Retries

_KEPT_RECORDS = 1 << 16
_KEPT_STRETCHES = 1 << 10


class SequentialReader(Protocol):
    """Reads forward."""

    def __iter__(self) -> Iterator[Any]:
        """The records behind the state that it was opened at."""
        ...

    def state(self) -> Json:
        """The state behind the record read last, as JSON values."""
        ...


@runtime_checkable
class SequentialSource(Protocol):
    """Records without random access. Any object with these two methods is one.

    Its order is its own: it cannot be shuffled, repeated or mixed here, every process reads all of it, and what an
    epoch delivers is what it chooses to.
    """

    def open_at(self, state: Json) -> SequentialReader:
        """A reader at a state that another one gave, or at the beginning if it is None."""
        ...

    def fingerprint(self) -> str:
        """A short digest of what the records are, as far as that shows without reading them."""
        ...


class Tape:
    """The latest records of a sequential source by their number, read forward and, if need be, once more.

    Args:
        source: The records.
        retries: How often a stretch is read again, from the state in front of it, where reading fails.
    """

    def __init__(self, source: SequentialSource, retries: Retries) -> None:
        self._source = source
        self._retries = retries
        self._lock = ForkLock()
        self._records: OrderedDict[int, Any] = OrderedDict()
        self._stretches: OrderedDict[tuple[int, int], tuple[int, str, str]] = OrderedDict()
        self._head: tuple[int, str, SequentialReader, Iterator[Any]] | None = None

    def advance(self, start: int, state: str, count: int) -> tuple[int, str]:
        """Reads ``count`` records from number ``start`` on, or what is left.

        Args:
            start: Records in front of the first one.
            state: Canonical JSON of the source's state there.
            count: How many.

        Returns:
            How many there were, and the state behind them.

        Raises:
            SourceError: The source fails however often it is asked.
        """
        with self._lock:
            known = self._stretches.get((start, count))
            if known is not None and known[1] == state:
                return known[0], known[2]
            return self._read_again(start, state, count)

    def record(self, number: int) -> Any:
        """A record that was read: from memory, or by reading its stretch once more.

        Raises:
            SourceError: It was read too long ago.
        """
        with self._lock:
            if number not in self._records:
                for (start, count), (found, state, _) in reversed(self._stretches.items()):
                    if start <= number < start + found:
                        self._read_again(start, state, count)
                        break
            if number not in self._records:
                raise SourceError(f"record {number} of a sequential source was read too long ago to be read again")
            return self._records[number]

    def _read_again(self, start: int, state: str, count: int) -> tuple[int, str]:
        return self._retries.read(lambda: self._read(start, state, count), repr(self._source))

    def _read(self, start: int, state: str, count: int) -> tuple[int, str]:
        if self._head is None or self._head[:2] != (start, state):
            reader = self._source.open_at(json.loads(state))
            self._head = start, state, reader, iter(reader)
        _, _, reader, records = self._head
        self._head = None  # an error in the middle leaves no reader at a place that nobody knows
        found = 0
        for record in records if count else ():
            self._records[start + found] = record
            self._records.move_to_end(start + found)
            found += 1
            if found == count:
                break
        behind = canonical_json(reader.state()) if found else state
        self._head = start + found, behind, reader, records
        self._stretches[start, count] = found, state, behind
        self._stretches.move_to_end((start, count))
        while len(self._stretches) > _KEPT_STRETCHES:
            self._stretches.popitem(last=False)
        while len(self._records) > max(_KEPT_RECORDS, 2 * count):
            self._records.popitem(last=False)
        return found, behind
