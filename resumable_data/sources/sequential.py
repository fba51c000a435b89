"""Sources without random access, which read forward from a state of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from resumable_data.digest import Json
from resumable_data.opaque import Record


@dataclass(frozen=True)
class BadRecord:
    """A bad record, as a reader gives it, so that the record keeps its number.

    Attributes:
        reason: What is wrong with it. It ends a sentence whose subject is the record.
    """

    reason: str


class SequentialReader(Protocol):
    """A reader that reads forward."""

    def __iter__(self) -> Iterator[Record]:
        """Yields the records after the state at which it was opened, with a ``BadRecord`` for each bad one.

        Raises:
            OSError: Storage fails. The caller reads again from an earlier state.
            RecordError: A record is bad, and the records after it cannot be read.
        """
        ...

    def state(self) -> Json:
        """Returns the state after the last record that was read, as JSON values."""
        ...


@runtime_checkable
class SequentialSource(Protocol):
    """Records without random access. Any object with these two methods is one.

    The source decides its order and what an epoch delivers. It cannot be shuffled, repeated or mixed here, and every
    process reads all of it.
    """

    def open_at(self, state: Json) -> SequentialReader:
        """Opens a reader at a state that another reader gave, or at the beginning if it is None."""
        ...

    def fingerprint(self) -> str:
        """Returns a short digest of the data, as far as it is known without reading records."""
        ...
