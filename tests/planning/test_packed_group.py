"""One group of rows, and how far it reaches.

A worked example. A component has 44 documents of one token, windows have room for 2, rows have one token, and there
are 2 logical shards. The first epoch is long, so that it begins with small windows: of windows 0 to 3 two have one
document, two have none, windows 4 and 5 have one each, windows 6 to 25 have two. A group is to fill 8 rows a shard,
16 in all. From window 6 on, one take of 2 windows fills 4 rows. The group takes four times:

    take 0:   shard 0:  4  5   shard 1:  6  7
    take 1:   shard 0:  8  9   shard 1: 10 11
    take 2:   shard 0: 12 13   shard 1: 14 15
    take 3:   shard 0: 16 17   shard 1: 18 19

The documents of one shard are packed together, and the shards take turns, so that the rows of the group are
4 6 5 7 8 10 9 11 12 14 13 15 16 18 17 19. The next group begins at window 14. The third begins at window 22, and has
four windows only: the epoch ends there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from property_tests.testing.toy_lengths import ToyLengths, records_of, stream
from resumable_data.delivered import Delivered
from resumable_data.order.permutation import permutation
from resumable_data.planning.groups import EndlessGroups, EpochAt, EpochGroups
from resumable_data.planning.packed_group import GroupPacker, PackedGroup, Packing

EXAMPLE_ROWS = [4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15, 16, 18, 17, 19]
AFTER_SMALL_WINDOWS = EpochAt(0, 6)


def packing(
    length: int = 1, strategy: str = "first_fit", *, most: int | None = None, shuffle_seed: int | None = None
) -> Packing:
    return Packing(length, strategy, most, shuffle_seed)


def group(
    tokens: Sequence[int],
    at: EpochAt = EpochAt(0, 0),  # noqa: B008
    *,
    window: int = 2,
    shards: int = 2,
    known: bool = False,
    drops: bool = False,
    lengths: ToyLengths | None = None,
    how: Packing | None = None,
) -> PackedGroup | None:
    groups = EpochGroups(stream(len(tokens), 1, drops=drops), window, shards)
    lengths = lengths or ToyLengths([tokens], known=known)
    return GroupPacker(groups, "web", how or packing(), lengths).plan(at)


def firsts(found: PackedGroup | None) -> list[int]:
    assert found is not None
    return [records[0] for records in records_of(found.packed.plan)]


def windows_of(found: PackedGroup | None) -> tuple[int, Any]:
    assert found is not None
    return found.windows, found.after


def test_the_worked_example() -> None:
    lengths = ToyLengths([[1] * 44], known=False)
    found = group([1] * 44, AFTER_SMALL_WINDOWS, lengths=lengths)

    assert firsts(found) == EXAMPLE_ROWS
    assert windows_of(found) == (8, EpochAt(0, 14))
    assert lengths.measured == [
        [(0, [4 * take, 4 * take + 1]), (1, [4 * take + 2, 4 * take + 3])] for take in range(1, 5)
    ]
    assert lengths.groups == 1
    assert found is not None
    assert found.packed.plan.owner is not None
    assert found.packed.plan.owner.tolist() == [0, 1] * 8


def test_the_groups_that_follow_it() -> None:
    assert firsts(group([1] * 44, EpochAt(0, 14))) == [16 + row for row in EXAMPLE_ROWS]
    last = group([1] * 44, EpochAt(0, 22))
    assert firsts(last) == [32 + row for row in EXAMPLE_ROWS[:8]]
    assert windows_of(last) == (4, EpochAt(1, 0))
    assert group([1] * 44, EpochAt(1, 0)) is None


def test_the_first_group_of_the_epoch_has_smaller_windows() -> None:
    lengths = ToyLengths([[1] * 44], known=False)

    assert windows_of(group([1] * 44, lengths=lengths)) == (12, EpochAt(0, 12))
    small = [[(0, []), (1, [0])], [(0, []), (1, [1])], [(0, [2]), (1, [3])]]
    assert lengths.measured[:4] == [*small, [(0, [4, 5]), (1, [6, 7])]]


def test_after_the_end_nothing_makes_a_group() -> None:
    lengths = ToyLengths([[1] * 44], known=False)

    assert group([1] * 44, EpochAt(1, 0), lengths=lengths) is None
    assert (lengths.measured, lengths.groups) == ([], 0)


def test_a_group_takes_once_where_lengths_are_known_and_nothing_is_dropped() -> None:
    assert windows_of(group([1] * 44, AFTER_SMALL_WINDOWS, known=True)) == (2, EpochAt(0, 8))
    assert windows_of(group([1] * 44, AFTER_SMALL_WINDOWS, known=True, drops=True)) == (8, EpochAt(0, 14))


@pytest.mark.parametrize(
    ("tokens", "how", "windows"),
    [
        # 16 rows of 4 tokens are 64 tokens. Two takes of 4 documents of 8 tokens have as many.
        ([8] * 40, packing(4), 4),
        # The tokens of all windows count together: 7 tokens a document are 28 a take, 3.5 rows a window.
        ([7] * 16 + [0] * 24, packing(4), 6),
        # 63 tokens after the first take are too few.
        ([16, 16, 16, 15] + [0] * 3 + [1] + [9] * 32, packing(4), 4),
        # Tokens count where the most documents of a row leave rows that are not full.
        ([1] * 80, packing(4, most=2), 32),
        # Dropped documents and those without tokens have none.
        ([-1, 0, 16, 16] * 10, packing(4), 4),
        # Where every document begins a row, rows count: each has two.
        ([5] * 40, packing(4, "one_a_row"), 4),
        ([4] * 40, packing(4, "one_a_row"), 8),
    ],
)
def test_a_group_takes_windows_until_it_fills_eight_rows_a_shard(
    tokens: list[int], how: Packing, windows: int
) -> None:
    assert windows_of(group([0] * 4 + tokens, AFTER_SMALL_WINDOWS, how=how))[0] == windows


def test_a_group_takes_at_most_64_times_more() -> None:
    lengths = ToyLengths([[-1] * 404], known=False)
    found = group([-1] * 404, AFTER_SMALL_WINDOWS, lengths=lengths)

    assert windows_of(found) == (130, EpochAt(0, 136))
    assert found is not None
    assert (found.rows, len(lengths.measured)) == (0, 65)
    assert list(found.delivered(0)) == [Delivered(dropped=260)]


def test_windows_smaller_than_a_row_count_too() -> None:
    """One document a window, four of which fill a row: 8 rows are 32 windows, and not the 65 that may be taken."""
    assert windows_of(group([1] * 200, window=1, shards=1, how=packing(4))) == (32, EpochAt(0, 32))


def test_the_documents_of_a_shard_are_packed_together() -> None:
    """Documents 0, 1, 4 and 5 of shard 0 fill a row, though no two of its windows do."""
    found = group([1] * 8, how=packing(4))

    assert found is not None
    assert records_of(found.packed.plan) == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_shards_without_a_window_have_no_part_in_it() -> None:
    """Two windows in 8 shards belong to shards 0 and 4, and all rows of the rounds come from these."""
    found = group([1] * 4, shards=8)

    assert found is not None
    assert found.packed.plan.owner is not None
    assert set(found.packed.plan.owner.tolist()) == {0, 4}
    assert sorted(firsts(found)) == [0, 1, 2, 3]


def test_the_rows_of_a_shard_are_shuffled_by_the_first_of_its_windows() -> None:
    found = group([1] * 44, EpochAt(0, 14), how=packing(shuffle_seed=7))

    of_shards: list[list[int]] = []
    for window, records in ((14, [20, 21, 24, 25, 28, 29, 32, 33]), (15, [22, 23, 26, 27, 30, 31, 34, 35])):
        places = permutation(8, "pack.rows", 7, "web", 0, window)(np.arange(8))
        of_shards.append([records[place] for place in np.argsort(places)])
    expected = [of_shards[shard][row] for row in range(8) for shard in range(2)]
    assert firsts(found) == expected != [16 + row for row in EXAMPLE_ROWS]


def test_a_shard_that_comes_with_a_later_take_is_shuffled_by_its_own_window() -> None:
    """A short first epoch: window 0 is of shard 0, window 1 of shard 1, and then each shard has one more."""
    found = group([1] * 12, window=4, how=packing(shuffle_seed=7))

    of_shards: list[list[int]] = []
    for window, records in ((0, [0, 1, 2, 6, 7, 8]), (1, [3, 4, 5, 9, 10, 11])):
        places = permutation(6, "pack.rows", 7, "web", 0, window)(np.arange(6))
        of_shards.append([records[place] for place in np.argsort(places)])
    assert firsts(found) == [of_shards[shard][row] for row in range(6) for shard in range(2)]


def test_without_epochs_rows_are_shuffled_by_where_the_group_begins() -> None:
    documents = stream(40, None)
    packer = GroupPacker(EndlessGroups(documents, 8, 1), "web", packing(shuffle_seed=7), ToyLengths([[1] * 40]))
    found = packer.plan(documents.take(documents.start(), 48)[1])

    places = permutation(8, "pack.rows", 7, "web", 48, 0)(np.arange(8))
    assert firsts(found) == [8 + place for place in np.argsort(places).tolist()]


@pytest.mark.parametrize(("in_order", "shuffled"), [((), True), (("other",), True), (("web",), False)])
def test_a_group_with_documents_of_a_component_that_is_not_shuffled_keeps_its_order(
    in_order: tuple[str, ...], shuffled: bool
) -> None:
    documents = stream(40, None)
    how = replace(packing(shuffle_seed=0), in_order=in_order)
    packer = GroupPacker(EndlessGroups(documents, 8, 1), "web", how, ToyLengths([[1] * 40]))

    assert (firsts(packer.plan(documents.start())) != list(range(8))) is shuffled


def test_a_small_component_does_not_stand_twice_in_a_row() -> None:
    """Three documents of 2 tokens, over and over, in rows of 5: a row has room for two different ones."""
    packer = GroupPacker(EndlessGroups(stream(3, None), 9, 1), "web", packing(5), ToyLengths([[2] * 3]))
    found = packer.plan(stream(3, None).start())

    assert found is not None
    assert all(len(row) == len(set(row)) for row in records_of(found.packed.plan))


def test_what_a_group_delivers_is_told_of_each_component() -> None:
    found = group([2, 3, -1, 1], shards=1, window=4, how=packing(4))

    assert found is not None
    assert records_of(found.packed.plan) == [[0, 3], [1]]
    assert [list(found.delivered(row)) for row in range(3)] == [
        [Delivered()],
        [Delivered(documents=2, tokens=3)],
        [Delivered(documents=3, tokens=6, dropped=1)],
    ]
