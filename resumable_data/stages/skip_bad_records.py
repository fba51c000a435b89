"""The skip_bad_records stage: bad records are left out, up to a number of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError, RecordError
from resumable_data.order.occurrences import records_of
from resumable_data.reading.cut import cut_of_parts, with_cut
from resumable_data.reading.dropped import DROPPED, as_ragged, joined
from resumable_data.reading.fields import TokenFields
from resumable_data.stages.documents import ChainStage

_LOG = logging.getLogger(__name__)

ReadT = TypeVar("ReadT", bound=Sequence[Any])


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

    Where rows take fields of documents that are mappings, a record whose fields do not go with its tokens is bad too.
    That shows in ``read_fields``, which ``append_eod`` and stages that leave documents as they are pass down to here.
    A map behind this stage does not: the fields are then its own, and what is wrong with them is an error.

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
            parts = [[DROPPED] if found is None else found for found in self._one_by_one(self.parent.read, records)]
            return with_cut([part[0] for part in parts], cut_of_parts(parts))

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The same, as tokens; records that are none are bad too."""
        return self._found(self.parent.read_tokens, records, as_ragged([DROPPED], str))

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The same, as tokens with the fields aligned; records whose fields are not are bad too."""

        def read(some: Int64Array) -> Ragged:
            return self.parent.read_fields(some, fields)

        return self._found(read, records, fields.aligned([DROPPED], str))

    def _found(self, read: Callable[[Int64Array], Ragged], records: Int64Array, nothing: Ragged) -> Ragged:
        """What ``read`` gives, and ``nothing`` for bad records."""
        try:
            return read(records)
        except RecordError:
            return joined([nothing if found is None else found for found in self._one_by_one(read, records)])

    def _one_by_one(self, read: Callable[[Int64Array], ReadT], records: Int64Array) -> Iterator[ReadT | None]:
        """What is read of each record by itself; None where it is bad."""
        for record in records.tolist():
            try:
                yield read(np.array([record]))
            except RecordError as error:
                self.bad.add(int(records_of(np.array([record]))[0]), self.at_most, error)
                yield None
