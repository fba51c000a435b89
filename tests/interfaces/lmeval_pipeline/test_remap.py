"""The items that a process has of each global batch."""

from __future__ import annotations

import pytest

import resumable_data as rd
from resumable_data.lmeval_pipeline import MultihostSortedRemapDataset


@pytest.mark.parametrize(
    ("size", "batch", "hosts", "order"),
    [
        (8, 4, 2, [0, 1, 4, 5, 2, 3, 6, 7]),
        (8, 4, 1, [0, 1, 2, 3, 4, 5, 6, 7]),
        (8, 4, 4, [0, 4, 1, 5, 2, 6, 3, 7]),
        (8, 8, 2, [0, 1, 2, 3, 4, 5, 6, 7]),
        (0, 4, 2, []),
    ],
)
def test_the_order(size: int, batch: int, hosts: int, order: list[int]) -> None:
    assert list(MultihostSortedRemapDataset(range(size), batch, hosts)) == order


def test_items_that_are_no_whole_batches_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match=r"10 items cannot be divided into batches of 4: pad .*multiple_of=4"):
        MultihostSortedRemapDataset(range(10), 4, 2)


@pytest.mark.parametrize(
    ("batch", "hosts", "message"), [(4, 3, "choose 3 or 6"), (2, 3, "choose 3$"), (0, 1, "both must be at least 1")]
)
def test_a_batch_that_hosts_do_not_divide_is_refused(batch: int, hosts: int, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        MultihostSortedRemapDataset(range(12), batch, hosts)
