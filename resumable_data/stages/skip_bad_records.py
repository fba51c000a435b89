"""The skip_bad_records stage: bad records are left out, up to a number of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from typing_extensions import override

from resumable_data.errors import PipelineError, RecordError
from resumable_data.order.occurrences import records_of
from resumable_data.reading.bad_records import BadRecords
from resumable_data.reading.step import Guard


@dataclass(frozen=True)
class SkipBadRecords(Guard):
    """Leaves out the records on which the stages before it fail. Errors of storage are not skipped.

    A record without the tokens and fields that rows take is bad too, if only stages such as ``append_eod`` and
    filters come after this stage. After a map, the fields come from the map, and a fault in them is an error.

    Attributes:
        at_most: Number of different bad records that a process leaves out; one more is an error. It does not
            affect the order. It is not part of the settings, so that a resumed run can have another.
        bad: The bad records found so far.
    """

    at_most: int
    bad: BadRecords = field(default_factory=BadRecords, compare=False)

    def __post_init__(self) -> None:
        if self.at_most < 1:
            raise PipelineError(f"skip_bad_records: at_most={self.at_most} must be at least 1")

    @property
    @override
    def name(self) -> str:
        return "skip_bad_records"

    @property
    @override
    def lengths_stay_known(self) -> bool:
        """False: only reading shows which records are bad."""
        return False

    def leave_out(self, index: int, error: RecordError) -> None:
        """Notes the bad record.

        Raises:
            RecordError: More records are bad than may be left out.
        """
        self.bad.add(int(records_of(np.array([index]))[0]), self.at_most, error)
