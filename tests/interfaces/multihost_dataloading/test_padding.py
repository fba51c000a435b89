from __future__ import annotations

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.interfaces.multihost_dataloading.padding import pad_to, padding_value


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.float16, np.bool_])
def test_an_array_keeps_its_dtype_and_its_content(dtype: type) -> None:
    array = np.array([[1, 0], [1, 1]], dtype)
    padded = pad_to(array, (3, 3), 1)
    assert padded.dtype == dtype
    assert padded.tolist() == [[1, 0, 1], [1, 1, 1], [1, 1, 1]]
    assert pad_to(array, array.shape) is array


def test_a_value_is_rounded_in_floats_and_refused_in_integers() -> None:
    assert np.isnan(padding_value(np.dtype(np.float16), float("nan")))
    assert padding_value(np.dtype(np.float32), 0.1) == np.float32(0.1)
    for dtype, value in [(np.uint8, 256), (np.uint8, -1), (np.int32, 0.5), (np.bool_, 2)]:
        with pytest.raises(rd.PipelineError, match="is not a value of"):
            padding_value(np.dtype(dtype), value)
