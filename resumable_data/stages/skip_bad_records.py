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
    """Leaves out the records with which the stages before it fail, but for what storage fails with.

    A record of which rows cannot take tokens and fields is bad too, if after this stage only ``append_eod``, filters
    and the like stand. After a map the fields are the map's own, and what is wrong with them is an error.

    Attributes:
        at_most: Different bad records of a process that are left out before the next is an error. It decides no
            order, and is not part of the settings, so that a run can go on with another.
        bad: Those met so far.
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
        """False: what is bad shows only when it is read."""
        return False

    def leave_out(self, index: int, error: RecordError) -> None:
        """Notes the bad record.

        Raises:
            RecordError: More records are bad than may be left out.
        """
        self.bad.add(int(records_of(np.array([index]))[0]), self.at_most, error)
