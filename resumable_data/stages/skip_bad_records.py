"""The skip_bad_records stage: bad records are left out, up to a number of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError, RecordError
from resumable_data.order.occurrences import records_of
from resumable_data.reading.cut import CutDocuments, cut_of
from resumable_data.reading.dropped import DROPPED, as_ragged
from resumable_data.stages.documents import ChainStage

_LOG = logging.getLogger(__name__)


class BadRecords:
    """The bad records that this process has met."""

    def __init__(self) -> None:
        self._records: set[int] = set()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process counts what it meets itself.
        return BadRecords, ()

    def add(self, record: int, at_most: int, error: RecordError) -> None:
        """Notes a bad record, with a warning the first time.

        Raises:
            RecordError: There are more than ``at_most``.
        """
        with self._lock:
            if record in self._records:
                return
            others = sorted(self._records)
            if len(others) >= at_most:
                listed = ", ".join(map(str, others[:10])) + (", …" if len(others) > 10 else "")
                raise RecordError(
                    f"{error}. skip_bad_records(at_most={at_most}) skips no more: records {listed} were bad before. "
                    "Mend the data, or raise at_most, which changes nothing about the order"
                ) from error
            self._records.add(record)
        _LOG.warning(
            "skip_bad_records: record %d is left out (%d of at most %d): %s", record, len(others) + 1, at_most, error
        )


@dataclass(frozen=True)
class SkipBadRecords(ChainStage):
    """Leaves out the records with which the stages below fail, but for what storage fails with.

    Attributes:
        at_most: Different bad records of a process that are left out before the next is an error. It decides no
            order, and is no part of the settings, so that a run can go on with another.
        bad: Those met so far.
    """

    at_most: int
    bad: BadRecords = field(default_factory=BadRecords, compare=False)

    def __post_init__(self) -> None:
        if self.at_most < 1:
            raise PipelineError(f"skip_bad_records: at_most={self.at_most} must be at least 1")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "skip_bad_records"

    @property
    def lengths_known(self) -> bool:
        """False: what is bad shows only when it is read."""
        return False

    @property
    def drops(self) -> bool:
        """True."""
        return True

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents, and ``DROPPED`` for bad ones.

        Raises:
            RecordError: More records are bad than may be left out.
        """
        try:
            return self.parent.read(records)
        except RecordError:
            return self._one_by_one(self.parent.read, records)

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same, as tokens; records that are none are bad too."""
        try:
            return self.parent.read_tokens(records)
        except RecordError:
            documents = self._one_by_one(self.parent.read_tokens, records)
            return as_ragged(documents, lambda place: self.name_of(int(records[place])))

    def _one_by_one(self, read: Callable[[Int64Array], Sequence[Any]], records: Int64Array) -> Sequence[Any]:
        """Documents read one at a time, to find which are bad."""
        documents: list[Any] = []
        cut = np.zeros(len(records), np.int64)
        for place, record in enumerate(records.tolist()):
            try:
                found = read(np.array([record]))
                dropped = isinstance(found, Ragged) and found.dropped is not None
                documents.append(DROPPED if dropped else found[0])
                cut_here = cut_of(found)
                cut[place] = 0 if cut_here is None else cut_here[0]
            except RecordError as error:
                self.bad.add(int(records_of(np.array([record]))[0]), self.at_most, error)
                documents.append(DROPPED)
        return CutDocuments(documents, cut)
