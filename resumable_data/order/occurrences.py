"""Numbers of occurrences. An occurrence is a record in one epoch, for steps whose result differs by epoch."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError

_RECORD_BITS = 36
_EPOCH_BITS = 27
_RECORDS = np.int64(2**_RECORD_BITS - 1)

MOST_RECORDS = 2**_RECORD_BITS
"""Most records of an epoch."""


def occurrences(epoch: int, records: Int64Array) -> Int64Array:
    """Numbers the occurrences of records in an epoch. In epoch 0 they are the records' own numbers.

    Args:
        epoch: The epoch.
        records: int64[n], each below ``MOST_RECORDS``.

    Returns:
        int64[n].

    Raises:
        PipelineError: There are no numbers left for this epoch.

    >>> epochs_of(occurrences(3, np.array([5]))).tolist(), records_of(occurrences(3, np.array([5]))).tolist()
    ([3], [5])
    """
    if epoch >= 2**_EPOCH_BITS:
        raise PipelineError(f"epoch {epoch}: random_map can tell at most {2**_EPOCH_BITS} epochs apart")
    return records + (epoch << _RECORD_BITS)


def epochs_of(numbers: Int64Array) -> Int64Array:
    """Returns the epochs of int64[n] occurrences."""
    return numbers >> _RECORD_BITS


def records_of(numbers: Int64Array) -> Int64Array:
    """Returns the records of int64[n] occurrences."""
    return numbers & _RECORDS
