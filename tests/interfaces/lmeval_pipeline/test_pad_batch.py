"""Padding of data sets to full batches, and of arrays to one length."""

from __future__ import annotations

import grain.python as grain
import numpy as np
import pytest

import resumable_data as rd
from resumable_data.lmeval_pipeline import PadBatchDataset, _pad_batch_multiple


@pytest.mark.parametrize(
    ("size", "multiple_of", "min_length", "length"),
    [(3, 4, 0, 4), (4, 4, 0, 4), (5, 4, 0, 8), (0, 4, 0, 0), (0, 4, 3, 3), (3, 4, 6, 6), (3, 1, 0, 3)],
)
def test_the_length_is_a_multiple_or_the_least_one(size: int, multiple_of: int, min_length: int, length: int) -> None:
    padded = PadBatchDataset(grain.MapDataset.source(range(1, size + 1)), multiple_of, min_length, 0)

    assert len(padded) == length
    assert list(padded) == [*range(1, size + 1)] + [0] * (length - size)


def test_after_the_end_it_begins_again() -> None:
    padded = PadBatchDataset([3, 1, 2], 4, 0, 0)

    assert list(padded.repeat(2)) == [3, 1, 2, 0] * 2
    assert (padded[7], padded[8], padded[-1]) == (0, 3, 0)


def test_each_padding_item_is_its_own() -> None:
    padding = {"a": np.zeros(2)}
    padded = PadBatchDataset([], 1, 2, padding)
    padded[0]["a"][:] = 1

    assert not padded[0]["a"].any()
    assert not padded[1]["a"].any()
    assert not padding["a"].any()


def test_a_multiple_of_nothing_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="multiple_of=0"):
        PadBatchDataset([1], 0, 0, 0)


def test_arrays_are_padded_and_joined() -> None:
    long, short = np.array([[1, 2, 3]], np.int32), np.array([[4], [5]], np.int32)

    joined = _pad_batch_multiple([long, short], multiple_of=4, pad_value=9)
    assert joined.tolist() == [[1, 2, 3, 9], [4, 9, 9, 9], [5, 9, 9, 9]]
    assert joined.dtype == np.int32
    assert _pad_batch_multiple([long, short], 2, batch_size_pad=4).tolist()[3] == [0] * 4
    assert _pad_batch_multiple([long]).shape == (1, 64)


def test_numbers_and_rows_of_one_value_are_joined() -> None:
    assert _pad_batch_multiple([np.array(1), np.array(2)]).tolist() == [1, 2]
    assert _pad_batch_multiple([np.array([1]), np.array([2, 3])]).tolist() == [1, 2, 3]
    assert _pad_batch_multiple([np.array([1])], batch_size_pad=3).tolist() == [1, 0, 0]


def test_another_axis_and_rank() -> None:
    arrays = [np.ones((1, 2, 3), np.int8), np.ones((2, 2, 1), np.int8)]

    assert _pad_batch_multiple(arrays, multiple_of=4, axis=2).shape == (3, 2, 4)
    assert _pad_batch_multiple([np.ones((1, 0))], multiple_of=4).shape == (1, 0)


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match="no array"):
        _pad_batch_multiple([])
    with pytest.raises(rd.PipelineError, match="axis 0; rows are axis 0"):
        _pad_batch_multiple([np.ones((1, 2))], axis=0)
    with pytest.raises(rd.PipelineError, match=r"\(1, 2\), \(2,\) cannot be padded"):
        _pad_batch_multiple([np.ones((1, 2)), np.ones(2)])
    with pytest.raises(rd.PipelineError, match=r"cannot be padded to shape \(1, 64\)"):
        _pad_batch_multiple([np.ones((2, 2))], batch_size_pad=1)
    with pytest.raises(rd.PipelineError, match="cannot be joined"):
        _pad_batch_multiple([np.ones((1, 2, 3)), np.ones((1, 2, 4))])
