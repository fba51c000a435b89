import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.packing.pieces import cut


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 12))
def test_every_document_becomes_full_rows_and_a_rest(lengths: list[int], row_length: int) -> None:
    expected = [
        (document, offset, min(row_length, tokens - offset))
        for document, tokens in enumerate(lengths)
        for offset in range(0, tokens, row_length)
    ]
    document, offset, length = cut(np.array(lengths, np.int64), row_length)
    assert list(zip(document.tolist(), offset.tolist(), length.tolist(), strict=True)) == expected
    assert {part.dtype for part in (document, offset, length)} == {np.dtype(np.int64)}


@pytest.mark.parametrize(("tokens", "pieces"), [(0, 0), (1, 1), (2047, 1), (2048, 1), (2049, 2), (4096, 2)])
def test_number_of_pieces_at_the_borders(tokens: int, pieces: int) -> None:
    assert len(cut(np.array([tokens]), 2048)[0]) == pieces


def test_documents_beyond_32_bits_are_counted_right() -> None:
    _, offset, length = cut(np.array([2**40]), 2**38)
    assert offset.tolist() == [0, 2**38, 2**39, 3 * 2**38]
    assert length.tolist() == [2**38] * 4
