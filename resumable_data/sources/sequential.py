"""The interface of sources that give records one after the other, from a state of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from resumable_data.digest import Json
from resumable_data.opaque import Record


@dataclass(frozen=True)
class BadRecord:
    """Takes the place of a bad record, so that the record keeps its number.

    Attributes:
        reason: What is wrong with it, as the end of a sentence that begins with the record.
    """

    reason: str


class SequentialReader(Protocol):
    """Reads forward."""

    def __iter__(self) -> Iterator[Record]:
        """The records after the state that it was opened at, with a ``BadRecord`` in the place of each bad one.

        Raises:
            OSError: Storage fails, and is asked again from a state before.
            RecordError: A record is bad, and those after it cannot be had.
        """
        ...

    def state(self) -> Json:
        """Returns the state after the record read last, as JSON values."""
        ...


@runtime_checkable
class SequentialSource(Protocol):
    """Records without random access. Any object with these two methods is one.

    Its order is its own: it cannot be shuffled, repeated or mixed here, every process reads all of it, and what an
    epoch delivers is what it chooses to.
    """

    def open_at(self, state: Json) -> SequentialReader:
        """Opens a reader at a state of another reader, or at the beginning if it is None."""
        ...

    def fingerprint(self) -> str:
        """Returns a short digest of what identifies the records without reading them."""
        ...
