import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.packing.one_a_row import one_a_row


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 12))
def test_every_piece_has_a_row_of_its_own(lengths: list[int], row_length: int) -> None:
    expected = [
        (document, offset, min(row_length, tokens - offset))
        for document, tokens in enumerate(lengths)
        for offset in range(0, tokens, row_length)
    ]
    pieces = one_a_row(np.array(lengths, np.int64), row_length)
    columns = (pieces.document, pieces.offset, pieces.length)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert pieces.row.tolist() == list(range(len(expected)))
