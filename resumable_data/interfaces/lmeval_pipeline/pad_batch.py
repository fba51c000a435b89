"""Pads data sets to full batches, and the rows of a batch to one length."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from resumable_data.arrays import AnyArray
from resumable_data.errors import PipelineError
from resumable_data.interfaces.lmeval_pipeline.indexing import RearrangedDataset
from resumable_data.interfaces.multihost_dataloading.padding import pad_to
from resumable_data.opaque import Indexable, Record


class PadBatchDataset(RearrangedDataset):
    """A data set with padding items at its end, so that batches are full.

    Args:
        dataset: A Grain data set, or an object with ``len`` and ``[index]``.
        multiple_of: The length becomes a multiple of this: the global batch size.
        min_length: The length is at least this, which need not be such a multiple.
        pad_elem: The padding item. Each padding item is a copy of it.

    Raises:
        PipelineError: ``multiple_of`` is below 1.

    >>> import grain.python as grain
    >>> padded = PadBatchDataset(grain.MapDataset.source([3, 1, 2]), multiple_of=4, min_length=0, pad_elem=0)
    >>> len(padded), padded[3]
    (4, 0)
    """

    def __init__(self, dataset: Indexable, multiple_of: int, min_length: int, pad_elem: Any) -> None:
        super().__init__(dataset)
        self.multiple_of = multiple_of
        self.min_length = min_length
        self.pad_elem = pad_elem
        self._length = max(round_up(len(self.dataset), multiple_of), min_length)

    def __len__(self) -> int:
        return self._length

    def _item(self, place: int) -> Record:
        return self.dataset[place] if place < len(self.dataset) else copy.deepcopy(self.pad_elem)


def round_up(size: int, multiple_of: int) -> int:
    """Rounds a size up to a multiple.

    Raises:
        PipelineError: ``multiple_of`` is below 1.

    >>> round_up(5, 4), round_up(4, 4), round_up(0, 4)
    (8, 4, 0)
    """
    if multiple_of < 1:
        raise PipelineError(f"multiple_of={multiple_of}: pad to a multiple of at least 1")
    return -(-size // multiple_of) * multiple_of


def pad_batch_multiple(
    batch: Sequence[Record],
    multiple_of: int = 64,
    axis: int = 1,
    pad_value: float = 0,
    batch_size_pad: int | None = None,
) -> AnyArray:
    """Pads arrays to one length along an axis, and joins them along axis 0.

    Args:
        batch: Arrays of one rank, each [rows, ...]. Arrays without axes are joined along a new axis. Arrays that do
            not have the axis are not padded along it.
        multiple_of: The length is the longest of the arrays, rounded up to a multiple of this.
        axis: The axis to pad, which is not the axis of the rows.
        pad_value: The value of the padding.
        batch_size_pad: Rows of the result; None keeps the rows of the arrays.

    Raises:
        PipelineError: The shapes do not fit together, there are too many rows, or there is no array.

    >>> pad_batch_multiple([np.array([[1, 2]]), np.array([[11, 12, 13]])], multiple_of=4).tolist()
    [[1, 2, 0, 0], [11, 12, 13, 0]]
    >>> pad_batch_multiple([np.array([1]), np.array([2])], batch_size_pad=3).tolist()
    [1, 2, 0]
    """
    if not len(batch):
        raise PipelineError("there is no array to join to a batch; give at least one")
    arrays = [np.atleast_1d(array) for array in batch]
    rank = arrays[0].ndim
    if axis < 1 or any(array.ndim != rank for array in arrays):
        shapes = ", ".join(str(np.shape(array)) for array in batch)
        raise PipelineError(f"arrays of shapes {shapes} cannot be padded along axis {axis}; rows are axis 0")
    if axis < rank:
        length = round_up(max(array.shape[axis] for array in arrays), multiple_of)
        arrays = [pad_axis(array, axis, length, pad_value) for array in arrays]
    try:
        joined = np.concatenate(arrays)
    except ValueError as error:
        raise PipelineError(f"the arrays cannot be joined to a batch: {error}") from error
    return joined if batch_size_pad is None else pad_axis(joined, 0, batch_size_pad, pad_value)


def pad_axis(array: AnyArray, axis: int, length: int, value: float) -> AnyArray:
    """Pads an array at the end of one axis.

    Raises:
        PipelineError: The array is longer than ``length``, or its dtype cannot hold the value.

    >>> pad_axis(np.array([[1, 2]]), 1, 3, 9).tolist()
    [[1, 2, 9]]
    """
    return pad_to(array, (*array.shape[:axis], length, *array.shape[axis + 1 :]), value)
