"""The bad records that a process has left out."""

from __future__ import annotations

import logging
from typing import NamedTuple

from resumable_data.digest import Json
from resumable_data.errors import RecordError
from resumable_data.locks import ForkLock

_LOG = logging.getLogger(__name__)


class LeftOut(NamedTuple):
    """A bad record that was left out.

    Attributes:
        component: The path of its component.
        record: Its number in the source.
        reason: What is wrong with it, with its source and, if known, its file and line.
    """

    component: str
    record: int
    reason: str

    def to_json(self) -> dict[str, Json]:
        """Returns its entry of ``bad_records.json``."""
        return self._asdict()


class BadRecords:
    """The bad records that this process has met at one ``skip_bad_records``, by their number."""

    def __init__(self) -> None:
        self._reasons: dict[int, str] = {}
        self._lock = ForkLock()

    def __reduce__(self) -> tuple[object, ...]:
        # Each process counts the bad records that it meets.
        return BadRecords, ()

    def add(self, record: int, at_most: int, error: RecordError) -> None:
        """Notes a bad record, with a warning the first time.

        Raises:
            RecordError: There are more than ``at_most``.
        """
        with self._lock:
            if record in self._reasons:
                return
            others = sorted(self._reasons)
            if len(others) >= at_most:
                listed = ", ".join(map(str, others[:10])) + (", …" if len(others) > 10 else "")
                raise RecordError(
                    f"{error}. skip_bad_records(at_most={at_most}) skips no more: records {listed} were bad before. "
                    "Mend the data, or raise at_most, which does not change the order"
                ) from error
            self._reasons[record] = str(error)
        _LOG.warning(
            "skip_bad_records: record %d is left out (%d of at most %d): %s", record, len(others) + 1, at_most, error
        )

    def of(self, component: str) -> list[LeftOut]:
        """Lists all of them by their number, under the path of a component."""
        with self._lock:
            return [LeftOut(component, record, self._reasons[record]) for record in sorted(self._reasons)]
