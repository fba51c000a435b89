"""Numbers of occurrences: a record in an epoch, where what becomes of a record differs from epoch to epoch."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError

_RECORD_BITS = 36
_EPOCH_BITS = 27
_RECORDS = np.int64(2**_RECORD_BITS - 1)

MOST_RECORDS = 2**_RECORD_BITS
"""How many records an epoch may have."""


def occurrences(epoch: int, records: Int64Array) -> Int64Array:
    """The numbers of records in an epoch; in epoch 0 those of the records themselves.

    Args:
        epoch: The epoch.
        records: int64[n], each below ``MOST_RECORDS``.

    Returns:
        int64[n].

    Raises:
        PipelineError: There is no number left for this epoch.

    >>> epochs_of(occurrences(3, np.array([5]))).tolist(), records_of(occurrences(3, np.array([5]))).tolist()
    ([3], [5])
    """
    if epoch >= 2**_EPOCH_BITS:
        raise PipelineError(f"epoch {epoch}: random_map can tell {2**_EPOCH_BITS} epochs apart, and no more")
    return records + (epoch << _RECORD_BITS)


def epochs_of(numbers: Int64Array) -> Int64Array:
    """The epochs of int64[n] occurrences."""
    return numbers >> _RECORD_BITS


def records_of(numbers: Int64Array) -> Int64Array:
    """The records of int64[n] occurrences."""
    return numbers & _RECORDS
