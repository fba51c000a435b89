"""Where packing windows begin and end, and which logical shard measures each of them.

A worked example. An epoch has 10 documents, and a window has room for 4. So the epoch has ceil(10 / 4) = 3 windows.
Window w holds the positions from w * 10 // 3 to (w + 1) * 10 // 3: positions 0 to 2, 3 to 5, and 6 to 9.

With S = 4 logical shards 3 windows are half of S or more, so that their number is rounded up to a multiple of 4. So
there are 4 windows: positions 0 and 1, 2 to 4, 5 and 6, 7 to 9. Each shard measures one.

With S = 8 logical shards 3 windows are fewer than half of S. They stay 3, and window i belongs to shard i * 8 // 3:
shards 0, 2 and 5. The other shards measure nothing.

The first epoch begins with smaller groups. If it is short, they have fewer windows: of 20 documents, with room for 2
in a window and 8 shards, there are 16 windows of 1 or 2 documents. Groups take windows 0, 1 (shards 0 and 4), 2 and
3 (shards 2 and 6), 4 to 7 (shards 1, 3, 5, 7), and 8 to 15.

If it is long, they have smaller windows: 24 documents, with room for 2 in a window and 3 shards, are 12 windows of 2.
The first three become six of a quarter of 2 and three of a half, that is of 0 or 1 and of 1.
"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.windows import EpochWindows, Take, cut_evenly, shards_of

epoch_sizes, sizes, shard_counts = st.integers(1, 300), st.integers(1, 40), st.integers(1, 70)


@st.composite
def all_windows(draw: st.DrawFn) -> EpochWindows:
    return EpochWindows(draw(epoch_sizes), draw(sizes), draw(shard_counts), draw(st.booleans()))


def bounds(windows: EpochWindows) -> list[int]:
    return [windows.begin(window) for window in range(windows.count + 1)]


def takes(windows: EpochWindows) -> list[Take]:
    found = [windows.take(0)]
    while (first := sum(map(len, found))) < windows.count:
        assert windows.begins_group(first)
        found.append(windows.take(first))
    return found


def test_the_worked_example() -> None:
    assert bounds(EpochWindows(10, 4, 1)) == [0, 3, 6, 10]
    assert bounds(EpochWindows(10, 4, 4)) == [0, 2, 5, 7, 10]
    assert EpochWindows(10, 4, 8).take(0) == Take((0, 3, 6, 10), (0, 2, 5))


def test_the_worked_example_of_the_first_epoch() -> None:
    short, long = EpochWindows(20, 2, 8, first=True), EpochWindows(24, 2, 3, first=True)

    assert [list(short.take(first).shards) for first in (0, 2, 4, 8)] == [[0, 4], [2, 6], [1, 3, 5, 7], [*range(8)]]
    assert bounds(short) == bounds(EpochWindows(20, 2, 8))
    assert bounds(long) == [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]


@pytest.mark.parametrize(
    ("epoch_size", "size", "shards", "count"),
    [
        (1, 1, 1, 1),
        (1, 100, 64, 1),  # one document, one window
        (12, 3, 8, 8),  # 4 windows are just half of 8
        (9, 3, 8, 3),  # 3 windows are fewer
        (24, 3, 8, 8),  # 8 windows need no rounding
        (25, 3, 8, 16),  # 9 windows do
        (5, 3, 5, 2),  # half of an odd number of shards
        (7, 3, 5, 5),
        (72, 3, 8, 24),  # three groups
        (73, 3, 8, 48),  # four: the first becomes two of small windows and one of larger ones
        (73, 3, 1, 25),  # with one shard no group is measured by several
        (10**9, 4096, 1, 244_141),
    ],
)
def test_the_number_of_windows_at_the_borders_of_its_rule(
    epoch_size: int, size: int, shards: int, count: int
) -> None:
    assert EpochWindows(epoch_size, size, shards, first=True).count == count


@given(all_windows())
def test_windows_hold_every_position_of_the_epoch_once(windows: EpochWindows) -> None:
    found = bounds(windows)

    assert (found[0], found[-1]) == (0, windows.epoch_size)
    assert all(begin <= end for begin, end in pairwise(found))


@given(all_windows())
def test_windows_have_at_most_their_size_and_differ_by_at_most_one(windows: EpochWindows) -> None:
    lengths = [end - begin for begin, end in pairwise(bounds(windows))]
    shards = windows.shards
    sizes = [lengths]
    if begins_with_small_windows(windows):
        sizes = [lengths[: 2 * shards], lengths[2 * shards : 3 * shards], lengths[3 * shards :]]
        quarter, half, whole = (sum(of) / len(of) for of in sizes)
        assert 4 * quarter == pytest.approx(2 * half, abs=4) == pytest.approx(whole, abs=4)
        assert sum(lengths[: 3 * shards]) == shards * windows.epoch_size // (windows.count - 2 * shards)

    assert max(lengths) <= windows.size
    assert all(max(of) - min(of) <= 1 for of in sizes)


def begins_with_small_windows(windows: EpochWindows) -> bool:
    """Tells whether it is a first epoch with windows for four groups or more."""
    least = -(-windows.epoch_size // windows.size)
    return windows.first and windows.shards > 1 and least > 3 * windows.shards


@given(all_windows())
def test_every_shard_has_as_many_windows_where_there_are_half_as_many_as_shards(windows: EpochWindows) -> None:
    least = -(-windows.epoch_size // windows.size)

    assert windows.count % windows.shards == 0 if 2 * least >= windows.shards else windows.count == least
    added = 2 * windows.shards if begins_with_small_windows(windows) else 0
    assert windows.count - added < least + windows.shards


@given(all_windows())
def test_takes_hold_every_window_once(windows: EpochWindows) -> None:
    found = takes(windows)

    assert [take.bounds[0] for take in found[1:]] == [take.bounds[-1] for take in found[:-1]]
    joined = [0, *(bound for take in found for bound in take.bounds[1:])]
    assert joined == bounds(windows)


@given(all_windows())
def test_a_take_has_one_window_a_shard_or_fewer(windows: EpochWindows) -> None:
    for take in takes(windows):
        shards = list(take.shards)
        assert len(take) == len(shards) == len(take.bounds) - 1
        assert shards == sorted(set(shards))
        assert 0 <= shards[0] <= shards[-1] < windows.shards


@given(all_windows())
def test_nothing_else_begins_a_group(windows: EpochWindows) -> None:
    firsts = {0}
    for take in takes(windows):
        firsts.add(max(firsts) + len(take))
    found = {window for window in range(windows.count) if windows.begins_group(window)}

    assert found == {first for first in firsts if first < windows.count}


@given(st.integers(2, 70), st.integers(1, 300), st.integers(2, 40))
def test_a_first_epoch_begins_with_a_quarter_of_a_group(shards: int, epoch_size: int, size: int) -> None:
    of_later = EpochWindows(epoch_size, size, shards).take(0)
    first = EpochWindows(epoch_size, size, shards, first=True).take(0)

    quarter = of_later.bounds[-1] / 4
    assert first.bounds[-1] <= max(quarter + 1, -(-epoch_size // max(1, len(of_later))))


@given(st.sampled_from([4, 8, 16, 32, 64]), st.integers(1, 40))
def test_the_first_groups_together_use_every_shard_once(shards: int, size: int) -> None:
    windows = EpochWindows(size * shards, size, shards, first=True)
    used = [shard for take in takes(windows) for shard in take.shards]

    assert sorted(used) == list(range(shards))


@given(st.integers(1, 70), st.data())
def test_windows_are_shared_out_evenly_over_the_shards(shards: int, data: st.DataObject) -> None:
    windows = data.draw(st.integers(1, shards))

    assert list(shards_of(windows, shards)) == [i * shards // windows for i in range(windows)]
    gaps = [after - before for before, after in pairwise([*shards_of(windows, shards), shards])]
    assert max(gaps) - min(gaps) <= 1


@given(sizes, st.integers(1, 20), st.data())
def test_documents_without_epochs_are_cut_in_the_same_way(size: int, shards: int, data: st.DataObject) -> None:
    documents = data.draw(st.integers(1, size * shards))
    take = cut_evenly(documents, size * shards, size, shards)
    lengths = [end - begin for begin, end in pairwise(take.bounds)]

    assert (take.bounds[0], take.bounds[-1], len(take)) == (0, documents, -(-documents // size))
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert list(take.shards) == [i * shards // len(take) for i in range(len(take))]
