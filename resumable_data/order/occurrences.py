"""Numbers occurrences, a record in an epoch, for pipelines in which a record becomes another document each epoch."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError

_RECORD_BITS = 36
_EPOCH_BITS = 27
_RECORDS = np.int64(2**_RECORD_BITS - 1)

MOST_RECORDS = 2**_RECORD_BITS
"""The largest number of records of an epoch."""


def occurrences(epoch: int, records: Int64Array) -> Int64Array:
    """Returns the numbers of records in an epoch; in epoch 0 they are the record numbers.

    Args:
        epoch: The epoch.
        records: int64[n], each below ``MOST_RECORDS``.

    Returns:
        int64[n].

    Raises:
        PipelineError: The epoch is too large.

    >>> epochs_of(occurrences(3, np.array([5]))).tolist(), records_of(occurrences(3, np.array([5]))).tolist()
    ([3], [5])
    """
    if epoch >= 2**_EPOCH_BITS:
        raise PipelineError(f"epoch {epoch}: random_map supports at most {2**_EPOCH_BITS} epochs")
    return records + (epoch << _RECORD_BITS)


def epochs_of(numbers: Int64Array) -> Int64Array:
    """Returns the epochs of int64[n] occurrences."""
    return numbers >> _RECORD_BITS


def records_of(numbers: Int64Array) -> Int64Array:
    """Returns the records of int64[n] occurrences."""
    return numbers & _RECORDS
