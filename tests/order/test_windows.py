from collections.abc import Iterator
from itertools import islice, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.windows import Windows

sizes = st.integers(1, 60)


def bounds(windows: Windows, start: int = 0) -> Iterator[tuple[int, int]]:
    """First position and the one behind the last, of each window from the one that begins at ``start``."""
    while True:
        stop = windows.stop(start)
        assert stop > start
        yield start, stop
        start = stop


def expected_starts(size: int, epoch_size: int, epochs: int) -> list[int]:
    """The design's rule."""
    if 2 * epoch_size <= size:
        return list(range(0, epochs * epoch_size, size // epoch_size * epoch_size))
    count = -(-epoch_size // size)
    return [epoch * epoch_size + k * epoch_size // count for epoch in range(epochs) for k in range(count)]


@given(size=sizes, epoch_size=sizes, epochs=st.integers(1, 12))
def test_windows_follow_the_design(size: int, epoch_size: int, epochs: int) -> None:
    starts = (start for start, _ in bounds(Windows(size, epoch_size)))
    total = epochs * epoch_size
    assert list(takewhile(lambda start: start < total, starts)) == expected_starts(size, epoch_size, epochs)


@given(size=st.integers(1, 10**6), epoch_size=st.integers(1, 10**7), epoch=st.integers(0, 10**12))
def test_windows_leave_no_gap_and_keep_their_size(size: int, epoch_size: int, epoch: int) -> None:
    windows = Windows(size, epoch_size)
    together = size // epoch_size if 2 * epoch_size <= size else 1
    found = list(islice(bounds(windows, epoch * together * epoch_size), 5))
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(0 < stop - start <= size for start, stop in found)


@given(size=sizes, epoch_size=sizes)
def test_windows_of_an_epoch_differ_by_at_most_one(size: int, epoch_size: int) -> None:
    count = -(-epoch_size // size)
    found = list(islice(bounds(Windows(size, epoch_size)), count))
    lengths = [stop - start for start, stop in found]
    if 2 * epoch_size > size:
        assert sum(lengths) == epoch_size
    assert max(lengths) - min(lengths) <= 1


@given(size=sizes, epoch_size=sizes, number=st.integers(0, 50))
def test_no_window_mixes_the_tail_of_an_epoch_with_the_head_of_the_next(
    size: int, epoch_size: int, number: int
) -> None:
    start, stop = next(islice(bounds(Windows(size, epoch_size)), number, None))
    if start // epoch_size != (stop - 1) // epoch_size:
        assert start % epoch_size == stop % epoch_size == 0


@given(size=sizes, epoch_size=sizes, epoch=st.integers(0, 10**15))
def test_every_epoch_is_cut_alike(size: int, epoch_size: int, epoch: int) -> None:
    windows = Windows(size, epoch_size)
    shift = epoch * epoch_size
    for start, stop in islice(bounds(windows), 5):
        assert windows.stop(start + shift) == stop + shift


@pytest.mark.parametrize(
    ("size", "epoch_size", "first_stop"),
    [
        (10, 5, 10),  # just half a window: whole epochs
        (11, 5, 10),
        (10, 6, 6),  # just more than half a window: an epoch each
        (10, 10, 10),
        (10, 11, 5),
        (10, 1, 10),
        (1, 1, 1),
        (1, 7, 1),
        (4096, 10**9, 4095),
    ],
)
def test_the_first_window_at_the_borders_of_the_rule(size: int, epoch_size: int, first_stop: int) -> None:
    assert Windows(size, epoch_size).stop(0) == first_stop


@given(size=st.integers(1, 10**6), start=st.integers(0, 2**62))
def test_without_epochs_all_windows_are_full(size: int, start: int) -> None:
    assert Windows(size, None).stop(start) == start + size
