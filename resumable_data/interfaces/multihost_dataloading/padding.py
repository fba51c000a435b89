"""Pads arrays at the end of their axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resumable_data.arrays import AnyArray
from resumable_data.errors import PipelineError
from resumable_data.opaque import PyTree


def pad_to(array: PyTree, shape: Sequence[int], value: float = 0) -> AnyArray:
    """Pads the end of every axis of an array.

    Args:
        array: An array of any numeric dtype, or a value that NumPy converts to one.
        shape: The shape of the result: as many axes, each at least as long.
        value: The value of the new cells.

    Returns:
        An array of this shape and of the same dtype; the array itself if it already has this shape.

    Raises:
        PipelineError: The shape has other axes or is smaller, or the array's dtype cannot hold the value.

    >>> pad_to(np.array([[1, 2]]), (2, 3)).tolist()
    [[1, 2, 0], [0, 0, 0]]
    """
    array, shape = np.asarray(array), tuple(shape)
    if len(shape) != array.ndim or any(old > new for old, new in zip(array.shape, shape, strict=True)):
        raise PipelineError(f"an array of shape {array.shape} cannot be padded to shape {shape}")
    if array.shape == shape:
        return array
    padded = np.full(shape, padding_value(array.dtype, value), array.dtype)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def padding_value(dtype: np.dtype[np.generic], value: float) -> AnyArray:
    """Converts a value to an array's dtype.

    Raises:
        PipelineError: The dtype cannot hold the value, as uint8 cannot hold -1.
    """
    converted = np.asarray(value).astype(dtype)
    if dtype.kind in "iub" and converted != value:
        raise PipelineError(f"pad_value={value} is not a value of {dtype}")
    return converted
