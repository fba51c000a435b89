"""The one order of the rows of several shards, and the slots of a batch.

A worked example of the order. Three shards have lists of rows: shard 0 has A0 A1 A2 A3 A4, shard 1 has none, shard 2
has C0. These are 6 rows, so that every list is to have 2. Shard 0 has 3 too many: A2, A3 and A4. Shard 1 lacks 2,
and shard 2 lacks 1. Shards 0 and 1 are siblings in the binary tree: A2 and A3 go to shard 1. Shard 2 is alone, and so
moves up; there it is the sibling of the pair (0, 1), and gets A4. The lists are now

    shard 0: A0 A1        shard 1: A2 A3        shard 2: C0 A4

A round takes one row of every list, shards with their bits reversed: of 0, 1, 2 and 3 this is 0, 2, 1 and 3, and
there is no shard 3. So the order is A0 C0 A2, A1 A4 A3.

A worked example of slots. A batch has 7 rows, and there are 3 shards. Shard s has the slots from s * 7 // 3 to
(s + 1) * 7 // 3: slots 0 and 1, 2 and 3, 4 to 6. The rows of the batch are

    row:    0  1  2  3  4  5  6
    owner:  2  0  -  0  0  2  0          (row 2 was never measured)

Shard 0 has 4 rows. The first two, rows 1 and 3, stand in its slots. Rows 4 and 6 are surplus. Shard 1 has no
row; its sibling 0 gives it both. Shard 2 has rows 0 and 5, and its last slot is free for row 2. So the slots hold
1 3, 4 6, 0 5 2.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.sequence import NO_SHARD, deal_rows, fill_slots

counts_of_shards = st.lists(st.integers(0, 12), min_size=1, max_size=20)


def dealt(counts: list[int]) -> list[tuple[int, int]]:
    shard, number = deal_rows(np.array(counts, np.int64))
    return list(zip(shard.tolist(), number.tolist(), strict=True))


def slots(owner: list[int], shards: int) -> list[int]:
    return fill_slots(np.array(owner, np.int64), shards).tolist()


def turns(shards: int) -> list[int]:
    """The shards in the order of a round, by reversing strings of bits."""
    bits = (shards - 1).bit_length()
    numbers = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits)] if bits else [0]
    return [number for number in numbers if number < shards]


def halve(have: list[int], need: list[int]) -> dict[tuple[int, int], int]:
    """Where thing k of shard s goes: own first, then to the sibling, then to cousins, one level after the other."""
    given = {(shard, k): shard for shard in range(len(have)) for k in range(min(have[shard], need[shard]))}
    things = [[(shard, k) for k in range(need[shard], have[shard])] for shard in range(len(have))]
    places = [[shard] * max(need[shard] - have[shard], 0) for shard in range(len(have))]
    width = 1  # shards below a node of this level
    while width < 2 * len(have):
        for node in range(0, len(have), width):
            some = [thing for shard in range(node, min(node + width, len(have))) for thing in things[shard]]
            free = [place for shard in range(node, min(node + width, len(have))) for place in places[shard]]
            for thing, place in zip(some, free, strict=False):
                given[thing] = place
                things[thing[0]].remove(thing)
                places[place].remove(place)
        width *= 2
    return given


def deal_by_lists(counts: list[int]) -> list[tuple[int, int]]:
    """The order in the words of the module, with lists."""
    shards, order = len(counts), turns(len(counts))
    need = [sum(counts) // shards] * shards
    for shard in order[: sum(counts) % shards]:
        need[shard] += 1
    given = halve(counts, need)
    lists = [
        [(shard, k) for k in range(counts[shard]) if given[shard, k] == shard]
        + sorted(thing for thing, place in given.items() if place == shard != thing[0])
        for shard in range(shards)
    ]
    return [lists[shard][k] for k in range(max(need)) for shard in order if k < len(lists[shard])]


def fill_by_lists(owner: list[int], shards: int) -> list[int]:
    """The slots in the words of the module, with lists."""
    rows = len(owner)
    need = [(shard + 1) * rows // shards - shard * rows // shards for shard in range(shards)]
    own = [[row for row in range(rows) if owner[row] == shard] for shard in range(shards)]
    given = halve([len(rows) for rows in own], need)
    free = [row for row in range(rows) if owner[row] == NO_SHARD]
    filled: list[int] = []
    for shard in range(shards):
        here = [thing for thing, place in given.items() if place == shard]
        here.sort(key=lambda thing: (thing[0] != shard, thing))
        filled += [own[of][k] for of, k in here]
        filled += [free.pop(0) for _ in range(need[shard] - len(here))]
    return filled


def test_the_worked_example_of_the_order() -> None:
    assert dealt([5, 0, 1]) == [(0, 0), (2, 0), (0, 2), (0, 1), (0, 4), (0, 3)]


def test_the_worked_example_of_slots() -> None:
    assert slots([2, 0, NO_SHARD, 0, 0, 2, 0], 3) == [1, 3, 4, 6, 0, 5, 2]


def test_what_is_left_over_goes_to_the_first_shards_of_a_round() -> None:
    # Six rows and four shards: one a shard, and one more for shards 0 and 2, the first two of a round.
    assert dealt([0, 6, 0, 0]) == [(1, 1), (1, 3), (1, 0), (1, 5), (1, 2), (1, 4)]


def test_one_shard_keeps_its_order() -> None:
    assert dealt([4]) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert slots([0, 0, 0], 1) == [0, 1, 2]


@pytest.mark.parametrize("shards", [1, 2, 3, 8])
def test_no_rows_have_an_order_too(shards: int) -> None:
    assert dealt([0] * shards) == []
    assert slots([], shards) == []


@given(counts_of_shards)
def test_the_order_is_that_of_lists_evened_by_halving(counts: list[int]) -> None:
    assert dealt(counts) == deal_by_lists(counts)


@given(counts_of_shards)
def test_every_row_comes_once(counts: list[int]) -> None:
    assert sorted(dealt(counts)) == [(shard, number) for shard, count in enumerate(counts) for number in range(count)]


@given(counts_of_shards)
def test_rows_that_stay_with_their_shard_keep_their_order(counts: list[int]) -> None:
    shards = len(counts)
    order = dealt(counts)
    for shard, count in enumerate(counts):
        kept = min(count, sum(counts) // shards)
        own = [number for of, number in order if of == shard and number < kept]
        assert own == list(range(kept))


@given(st.integers(1, 40), st.integers(1, 6), st.data())
def test_any_stretch_is_spread_evenly_over_shards_with_equal_lists(
    shards: int, rows: int, data: st.DataObject
) -> None:
    order = [shard for shard, _ in dealt([rows] * shards)]
    begin = data.draw(st.integers(0, len(order)))
    stretch = order[begin : data.draw(st.integers(begin, len(order)))]

    of_shard = np.bincount(np.array(stretch, np.int64), minlength=shards)
    assert of_shard.max() - of_shard.min() <= (1 if begin % shards == 0 else 2)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 4), st.data())
def test_any_stretch_of_a_round_is_spread_evenly_over_processes(
    log_shards: int, log_processes: int, rows: int, data: st.DataObject
) -> None:
    """Processes have neighbouring shards, as many each: no stretch of rows falls on a few of them."""
    shards, processes = 2**log_shards, 2 ** min(log_shards, log_processes)
    process = [shard * processes // shards for shard, _ in dealt([rows] * shards)]
    begin = data.draw(st.integers(0, len(process) // processes)) * processes
    stretch = process[begin : data.draw(st.integers(begin, len(process)))]

    of_process = np.bincount(np.array(stretch, np.int64), minlength=processes)
    assert of_process.max() - of_process.min() <= 1


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(0, 11), st.data())
def test_a_surplus_is_given_to_a_sibling_before_anyone_else(
    counts: list[int], pair: int, data: st.DataObject
) -> None:
    """Two siblings that have together what both need exchange rows with nobody."""
    shards = 2 * len(counts)
    even = data.draw(st.integers(0, 5))
    first = data.draw(st.integers(0, 2 * even))
    lists = [even] * shards
    pair %= len(counts)
    lists[2 * pair], lists[2 * pair + 1] = first, 2 * even - first
    order = dealt(lists)
    in_rounds = [turns(shards)[turn % shards] for turn in range(len(order))]

    assert all(of // 2 == place // 2 for (of, _), place in zip(order, in_rounds, strict=True))


owned_rows = st.integers(1, 20).flatmap(
    lambda shards: st.tuples(st.lists(st.integers(NO_SHARD, shards - 1), max_size=50), st.just(shards))
)


@given(owned_rows)
def test_slots_are_those_of_lists_filled_by_halving(batch: tuple[list[int], int]) -> None:
    owner, shards = batch
    assert slots(owner, shards) == (fill_by_lists(owner, shards) if shards > 1 else list(range(len(owner))))


@given(owned_rows)
def test_every_row_stands_in_one_slot(batch: tuple[list[int], int]) -> None:
    owner, shards = batch
    assert sorted(slots(owner, shards)) == list(range(len(owner)))


@given(owned_rows)
def test_rows_stand_in_slots_of_their_own_shard_as_far_as_it_has_slots(batch: tuple[list[int], int]) -> None:
    owner, shards = batch
    rows = len(owner)
    filled = slots(owner, shards)
    for shard in range(shards):
        begin, end = shard * rows // shards, (shard + 1) * rows // shards
        here = [owner[row] for row in filled[begin:end]]
        own = min(owner.count(shard), end - begin)
        if shards > 1:
            assert here[:own] == [shard] * own
        assert here.count(shard) == own


@given(st.integers(1, 12), st.integers(1, 5), st.data())
def test_a_batch_whose_shards_have_their_share_is_sorted_by_shard(
    shards: int, rows: int, data: st.DataObject
) -> None:
    owner = data.draw(st.permutations([shard for shard in range(shards) for _ in range(rows)]))
    filled = slots(owner, shards)

    if shards > 1:
        assert filled == sorted(range(len(owner)), key=lambda row: (owner[row], row))


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_rows_that_nobody_measured_keep_their_order(shards: int) -> None:
    assert slots([NO_SHARD] * 7, shards) == list(range(7))


def test_a_batch_smaller_than_the_number_of_shards_leaves_some_without_slots() -> None:
    # Shards 0 to 7 have slots 0 * 3 // 8 to …: only shards 2, 5 and 7 have one.
    assert slots([7, 5, 2], 8) == [2, 1, 0]
    assert slots([0, 1, 7], 8) == [0, 1, 2]
