"""The documents of each epoch of data that grew, beside a list of them."""

from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.epoch_sizes import EpochSizes


@st.composite
def all_sizes(draw: st.DrawFn) -> EpochSizes:
    until = sorted(draw(st.lists(st.integers(0, 6), max_size=3)))
    size = draw(st.integers(1, 4))
    before: list[tuple[int, int]] = []
    for epoch in until:
        before.append((epoch, size))
        size += draw(st.integers(1, 4))
    return EpochSizes(size, tuple(before))


def documents(sizes: EpochSizes) -> list[tuple[int, int]]:
    """Lists epoch and place of each document of ten epochs. An epoch has the size of the first pair after it."""
    found: list[tuple[int, int]] = []
    for epoch in range(10):
        later = [size for until, size in sizes.before if epoch < until]
        found += [(epoch, place) for place in range(later[0] if later else sizes.size)]
    return found


@given(all_sizes())
def test_every_position_is_that_of_a_list(sizes: EpochSizes) -> None:
    assert [sizes.find(position) for position in range(len(documents(sizes)))] == documents(sizes)


@given(all_sizes())
def test_epochs_begin_where_those_before_end(sizes: EpochSizes) -> None:
    listed = documents(sizes)

    assert [sizes.begin(epoch) for epoch in range(10)] == [listed.index((epoch, 0)) for epoch in range(10)]
    assert [sizes.of(epoch) for epoch in range(10)] == [sum(e == epoch for e, _ in listed) for epoch in range(10)]


@given(all_sizes())
def test_a_selection_has_sizes_of_its_own(sizes: EpochSizes) -> None:
    chosen = sizes.map(lambda size: size // 2 + 1)

    assert [chosen.of(epoch) for epoch in range(10)] == [sizes.of(epoch) // 2 + 1 for epoch in range(10)]
