import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.packing.copies import first_copies, may_meet

documents = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5) | st.sampled_from([2**36, 2**62])), max_size=30)


@given(documents)
def test_equal_documents_bear_the_number_of_the_first(given_: list[tuple[int, int]]) -> None:
    reader, record = np.array(given_, np.int64).reshape(-1, 2).T
    found = first_copies(reader, record)
    if len(set(given_)) == len(given_):
        assert found is None
    else:
        assert found is not None
        assert found.tolist() == [given_.index(document) for document in given_]


@pytest.mark.parametrize(
    ("lengths", "same", "row_length", "expected"),
    [
        ([], [], 1, True),
        ([3, 3, 3], [0, 0, 0], 3, True),
        ([3, 3, 3], [0, 0, 0], 2, False),
        ([3, 2, 3], [0, 1, 0], 5, True),
        ([3, 2, 3], [0, 1, 0], 4, False),
        ([3, 0, 0], [0, 1, 1], 3, True),
    ],
)
def test_copies_may_meet_where_all_documents_fit_a_row(
    lengths: list[int], same: list[int], row_length: int, expected: bool
) -> None:
    assert may_meet(np.array(lengths, np.int64), np.array(same, np.int64), row_length) == expected
