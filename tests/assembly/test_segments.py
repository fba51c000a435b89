import numpy as np
import pytest

from resumable_data.assembly.segments import Segments
from resumable_data.packing.plan import RowPlan

VALUES = np.arange(100, 120, dtype=np.int32)


def segments(*rows: list[int], length: int = 4) -> Segments:
    """Those of rows of spans of these lengths."""
    spans = np.array([span for row in rows for span in row], np.int64)
    zeros = np.zeros(len(spans), np.int64)
    return Segments.of(RowPlan(np.cumsum([0, *map(len, rows)]), zeros, zeros, zeros, spans, spans), length)


def test_padding_is_a_segment_where_a_row_is_not_full() -> None:
    found = segments([2, 1], [4], [])
    assert found.length.tolist() == [2, 1, 1, 4, 4]
    assert found.first.tolist() == [0, 2, 3, 4, 8]
    assert found.number.tolist() == [1, 2, 0, 1, 0]
    assert found.of_span.tolist() == [0, 1, 3]


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.bool_, np.float16, np.float32])
def test_every_span_is_copied_from_where_it_begins(dtype: type) -> None:
    values = VALUES.astype(dtype)
    found = segments([2, 1], [4], []).laid_out(values, np.array([5, 0, 16]), 1)

    expected = [*values[5:7], values[0], 1, *values[16:20], 1, 1, 1, 1]
    assert found.dtype == values.dtype
    assert found.tobytes() == np.array(expected, dtype).tobytes()


def test_what_nobody_needs_may_reach_beyond_the_values() -> None:
    # The second span was not read; what stands in its place must not move the others.
    found = segments([1, 3], [4]).laid_out(VALUES[:4], np.array([2, 2, 0]), 7)
    assert found.tolist() == [102, 7, 7, 7, 100, 101, 102, 103]


def test_nothing_to_lay_out() -> None:
    assert segments([], []).laid_out(VALUES[:0], np.zeros(0, np.int64), 3).tolist() == [3] * 8
    assert segments().laid_out(VALUES, np.zeros(0, np.int64), 3).tolist() == []


def test_the_cells_are_a_copy_that_can_be_written_to() -> None:
    found = segments([4]).laid_out(VALUES, np.array([0]), 0)
    found[0] = 1
    assert VALUES[0] == 100


def test_values_need_not_be_contiguous() -> None:
    assert segments([3]).laid_out(VALUES[::2], np.array([1]), 0).tolist() == [102, 104, 106, 0]
