"""Where groups of windows begin and end.

A worked example with epochs. A component has 10 documents, windows have room for 3, and there are 2 logical shards.
An epoch needs ceil(10 / 3) = 4 windows, which is a multiple of 2: documents 0 and 1, 2 to 4, 5 and 6, 7 to 9. A group
takes two windows, one a shard, and may take two more, and so on until its epoch ends:

    from window 0 of epoch 1:   shard 0: 0 1     shard 1: 2 3 4     then window 2 of epoch 1
                                shard 0: 5 6     shard 1: 7 8 9     then window 0 of epoch 2
    from window 2 of epoch 1:   shard 0: 5 6     shard 1: 7 8 9     then window 0 of epoch 2

Epoch 0 begins with smaller groups, so that the first batch waits for fewer documents:

    from window 0 of epoch 0:   shard 0: 0 1                        then window 1 of epoch 0
                                shard 1: 2 3 4                      then window 2 of epoch 0
                                shard 0: 5 6     shard 1: 7 8 9     then window 0 of epoch 1

A worked example without epochs, as for a mix of documents. The same 10 documents of the only epoch are a stream.
A group takes 2 * 3 documents, and cuts them into windows of the same size. The first groups are smaller here too:

    from document 0:            shard 0: 0 1 2                      then document 3
                                shard 1: 3 4 5                      then document 6
                                shard 0: 6 7     shard 1: 8 9       then document 10
    from document 6:            shard 0: 6 7     shard 1: 8 9       then document 10
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.toy_lengths import saved, stream
from resumable_data.planning.documents import StreamCursor
from resumable_data.planning.groups import DocumentGroups, EndlessGroups, EpochAt, EpochGroups
from resumable_data.planning.planner import Extent

Taken = tuple[list[int], list[list[int]], Any]


def taken(groups: DocumentGroups[Any], at: Any) -> list[Taken]:
    """Shards and records of the windows of each take, and what follows."""
    return [
        (list(take.shards), [window.record.tolist() for window in take.windows], take.after)
        for take in groups.takes(at)
    ]


def epochs(size: int = 10, epochs: int | None = 2, window: int = 3, shards: int = 2, **settings: Any) -> EpochGroups:
    return EpochGroups(stream(size, epochs, **settings), window, shards)


def endless(size: int = 10, epochs: int | None = 1, window: int = 3, shards: int = 2) -> EndlessGroups[StreamCursor]:
    return EndlessGroups(stream(size, epochs), window, shards)


def test_the_worked_example_with_epochs() -> None:
    first, second = ([0, 1], [[0, 1], [2, 3, 4]], EpochAt(1, 2)), ([0, 1], [[5, 6], [7, 8, 9]], EpochAt(2, 0))

    assert taken(epochs(), EpochAt(1, 0)) == [first, second]
    assert taken(epochs(), EpochAt(1, 2)) == [second]


def test_the_worked_example_of_the_first_epoch() -> None:
    assert taken(epochs(), epochs().start()) == [
        ([0], [[0, 1]], EpochAt(0, 1)),
        ([1], [[2, 3, 4]], EpochAt(0, 2)),
        ([0, 1], [[5, 6], [7, 8, 9]], EpochAt(1, 0)),
    ]


def test_the_worked_example_without_epochs() -> None:
    first, second = ([0], [[0, 1, 2]], StreamCursor(0, 3)), ([1], [[3, 4, 5]], StreamCursor(0, 6))
    last = ([0, 1], [[6, 7], [8, 9]], StreamCursor(1, 0))

    assert taken(endless(), endless().start()) == [first, second, last]
    assert taken(endless(), StreamCursor(0, 6)) == [last]


def test_a_mix_begins_with_a_quarter_of_a_group_another_and_a_half() -> None:
    found = taken(endless(size=40, shards=8), endless().start())

    assert [(shards, sum(map(len, windows))) for shards, windows, _ in found] == [
        ([0, 4], 6),
        ([2, 6], 6),
        ([1, 3, 5, 7], 12),
        ([0, 1, 2, 4, 5, 6], 16),
    ]


@pytest.mark.parametrize("taken_before", [1, 2, 3])
def test_a_group_of_a_known_size_has_the_windows_that_it_had(taken_before: int) -> None:
    groups = endless()
    before = taken(groups, groups.start())[:taken_before]
    size = sum(len(window) for _, windows, _ in before for window in windows)
    again = [
        (list(take.shards), [w.record.tolist() for w in take.windows]) for take in groups.takes(groups.start(), size)
    ]

    assert again == [(shards, windows) for shards, windows, _ in before]


def test_a_take_may_have_fewer_windows_than_there_are_shards() -> None:
    assert taken(epochs(shards=9), EpochAt(1, 0)) == [
        ([0, 2, 4, 6], [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]], EpochAt(2, 0))
    ]
    assert taken(endless(size=2, shards=4), endless().start()) == [([0], [[0, 1]], StreamCursor(1, 0))]


def test_groups_follow_the_order_of_the_documents() -> None:
    backwards = epochs(order=lambda epoch, positions: 100 * epoch + 9 - positions)

    assert taken(backwards, EpochAt(1, 2)) == [([0, 1], [[104, 103], [102, 101, 100]], EpochAt(2, 0))]


def test_there_is_no_group_after_the_last_epoch() -> None:
    assert taken(epochs(), EpochAt(2, 0)) == []
    assert taken(endless(), StreamCursor(1, 0)) == []
    assert len(taken(epochs(epochs=None), EpochAt(7, 0))) == 2
    assert len(taken(epochs(endless=True), EpochAt(7, 0))) == 2


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_every_document_of_an_epoch_is_taken_once(size: int, window: int, shards: int, of_epochs: bool) -> None:
    groups: DocumentGroups[Any] = epochs(size, 1, window, shards) if of_epochs else endless(size, 1, window, shards)
    found = taken(groups, groups.start())

    assert [record for _, windows, _ in found for of in windows for record in of] == list(range(size))
    assert all(len(of) <= window for _, windows, _ in found for of in windows)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 9))
def test_a_group_may_begin_after_any_take(size: int, window: int, shards: int) -> None:
    groups = epochs(size, None, window, shards)
    found = taken(groups, groups.start())
    for number, (_, _, after) in enumerate(found[:-1]):
        assert taken(groups, after) == found[number + 1 :]
    assert found[-1][2] == EpochAt(1, 0)


def test_the_rows_of_a_window_are_shuffled_by_its_number_in_the_epoch() -> None:
    assert epochs().row_key(EpochAt(3, 2), 1) == (3, 3)
    assert endless(epochs=None).row_key(StreamCursor(2, 5), 1) == (25, 1)


@pytest.mark.parametrize(
    ("at", "after", "whole"),
    [
        (EpochAt(0, 0), EpochAt(0, 2), False),
        (EpochAt(0, 0), EpochAt(1, 0), True),
        (EpochAt(0, 2), EpochAt(1, 0), False),
        (EpochAt(0, 2), EpochAt(1, 2), False),
        (EpochAt(0, 2), EpochAt(2, 0), True),
    ],
)
def test_a_whole_epoch_lies_between_two_of_its_beginnings(at: EpochAt, after: EpochAt, whole: bool) -> None:
    assert epochs().nothing_between(at, after) is whole


def test_without_epochs_it_is_counted_in_documents() -> None:
    groups = endless(epochs=None)  # 2 * 10 documents

    assert not groups.nothing_between(StreamCursor(0, 3), StreamCursor(2, 3))
    assert groups.nothing_between(StreamCursor(0, 3), StreamCursor(2, 4))


def test_only_a_component_of_its_own_has_no_document_twice_in_a_group() -> None:
    assert epochs().distinct
    assert not endless().distinct


def test_documents_count_up_to_the_group() -> None:
    counts = epochs().counts(EpochAt(1, 2))["web"]

    assert (counts.documents, counts.epochs) == (15, 1.5)
    assert epochs().extent(EpochAt(1, 2)) == Extent(15, 20)
    assert not epochs().finished(EpochAt(1, 2))
    assert epochs().finished(EpochAt(2, 0))
    assert (epochs().epoch(EpochAt(1, 2)), endless().epoch(StreamCursor(0, 5))) == (1, None)


def test_every_place_comes_back_from_its_integers() -> None:
    for at in (EpochAt(0, 0), EpochAt(0, 2), EpochAt(1, 2), EpochAt(2, 0)):
        assert epochs().decode(saved(epochs().encode(at))) == at
    assert epochs().encode(EpochAt(1, 2)) == {"web": (1, 2)}


@pytest.mark.parametrize(
    ("integers", "message"),
    [
        ((0, 3), "no group begins at window 3: the epoch has 4 windows in groups of 2"),
        ((1, 1), "no group begins at window 1"),
        ((0, 4), "no group begins at window 4"),
        ((2, 2), "there is no epoch 2, counted from 0: it has 2"),
        ((3, 0), "there is no epoch 3, counted from 0: it has 2"),
        ((0,), "where epoch, window belong"),
        ((0, 0, 0), "where epoch, window belong"),
    ],
)
def test_a_place_at_which_no_group_begins_is_refused(integers: tuple[int, ...], message: str) -> None:
    with pytest.raises(rd.StateError, match=f"component 'web'.*{message}"):
        epochs().decode(saved({"web": integers}))


def test_fewer_epochs_than_were_delivered_are_refused() -> None:
    with pytest.raises(rd.PipelineMismatchError, match="cannot have 2 epochs here: the run is in epoch 4") as refused:
        epochs().decode(saved({"web": (4, 2)}, epochs_before={"web": 7}))
    assert refused.value.differences == ("web: repeat.epochs was 7, is 2",)
    assert epochs().decode(saved({"web": (2, 0)}, epochs_before={"web": 7})) == EpochAt(2, 0)


def test_groups_tell_whose_documents_they_are() -> None:
    dropping = epochs(reader=3, drops=True)

    assert (dict(dropping.components), list(dropping.dropping), dropping.shards) == ({3: "web"}, [3], 2)
    assert (dict(endless().components), list(endless().dropping), endless().shards) == ({0: "web"}, [], 2)


def test_a_group_of_a_finite_set_does_not_depend_on_the_epochs() -> None:
    assert epochs().continues(EpochAt(1, 0), saved({}, epochs_before={"web": 1}))
    assert not endless(epochs=4).continues(StreamCursor(1, 1), saved({}, epochs_before={"web": 1}))
    assert epochs().renewed(EpochAt(0, 2)) == EpochAt(0, 2)


def test_windows_are_no_copies() -> None:
    (take,) = epochs(size=4, shards=1, window=8).takes(EpochAt(0, 0))
    (window,) = take.windows

    assert np.array_equal(window.record, np.arange(4))
    assert len(take.shards) == len(take.windows) == 1
