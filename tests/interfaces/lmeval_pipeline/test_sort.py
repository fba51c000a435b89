"""Items in the order of a key."""

from __future__ import annotations

import grain.python as grain
import pytest

from resumable_data.lmeval_pipeline import SortedDataset


def test_equal_items_keep_their_order_both_ways() -> None:
    items = [("b", 2), ("a", 1), ("c", 2), ("d", 1), ("e", 3)]
    data = grain.MapDataset.source(items)

    ascending = SortedDataset(data, lambda item: item[1])
    assert [name for name, _ in ascending] == ["a", "d", "b", "c", "e"]
    descending = SortedDataset(data, lambda item: item[1], reverse=True)
    assert [name for name, _ in descending] == ["e", "b", "c", "a", "d"]


def test_it_is_a_dataset_of_grain() -> None:
    data = SortedDataset([3, 1, 2], lambda item: item)

    assert isinstance(data, grain.MapDataset)
    assert len(data) == 3
    assert data[3] == data[0] == 1
    assert data[-1] == 3
    assert list(data.repeat(2)) == [1, 2, 3, 1, 2, 3]
    assert list(data[1:]) == [2, 3]
    assert list(data.map(lambda item: item + 1).batch(3)[0]) == [2, 3, 4]


def test_keys_are_computed_once_and_items_are_not_kept() -> None:
    keyed: list[int] = []
    data = SortedDataset([3, 1, 2], lambda item: keyed.append(item) or item)

    assert list(data) == [1, 2, 3]
    assert keyed == [3, 1, 2]


def test_no_item() -> None:
    data = SortedDataset([], len)

    assert list(data) == []
    with pytest.raises(IndexError, match="item 0 of SortedDataset of 0 items"):
        data[0]
