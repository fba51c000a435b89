"""Which process measures for which logical shard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.processes.speakers import speakers_of


@given(st.data())
def test_the_first_process_whose_rows_overlap_a_shard_speaks(data: st.DataObject) -> None:
    n_rows, shards = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 40))
    count = data.draw(st.integers(1, 8))
    owners = data.draw(
        st.lists(st.sets(st.integers(0, count - 1), min_size=1), min_size=n_rows, max_size=n_rows), label="owners"
    )
    rows = [np.array([r for r in range(n_rows) if p in owners[r]], np.int64) for p in range(count)]

    expected: list[int] = []
    for shard in range(shards):
        first, end = shard * n_rows // shards, (shard + 1) * n_rows // shards
        slots = range(first, end) or [first]
        expected.append(min(process for slot in slots for process in owners[slot]))
    assert speakers_of(rows, n_rows, shards) == expected


def test_a_shard_that_nobody_delivers_is_an_error() -> None:
    with pytest.raises(ValueError, match="no process delivers the rows of logical shard 1 of 2"):
        speakers_of([np.array([0, 1])], n_rows=4, shards=2)
