"""The planner of a component's documents, told an order, integers and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Int64Array
from resumable_data.order.epoch_sizes import EpochSizes
from resumable_data.planning.documents import DocumentStream, StreamCursor
from resumable_data.planning.planner import Extent, Saved


def order(epoch: int, positions: Int64Array) -> Int64Array:
    """Epochs of five records, each from its last record to its first, with the epoch in the hundreds."""
    return 100 * epoch + 4 - positions


def stream(epochs: int | None = 2, *, endless: bool = False, drops: bool = False) -> DocumentStream:
    return DocumentStream("web", 3, EpochSizes(5), epochs=epochs, order=order, endless=endless, drops=drops)


def saved(*integers: int, epochs_before: dict[str, int] | None = None) -> Saved:
    return Saved({"web": integers}, 0, {}, (), int, int, epochs_before or {})


def test_epochs_follow_each_other_in_the_given_order() -> None:
    plan, after = stream().take(StreamCursor(0, 3), 4)

    assert plan.record.tolist() == [1, 0, 104, 103]
    assert plan.reader.tolist() == [3] * 4
    assert after == StreamCursor(1, 2)


def test_a_finite_stream_ends_after_its_last_epoch() -> None:
    plan, after = stream().take(StreamCursor(1, 3), 9)

    assert plan.record.tolist() == [101, 100]
    assert stream().finished(after)
    assert not stream().finished(StreamCursor(1, 4))
    assert len(stream().take(after, 1)[0]) == 0


@pytest.mark.parametrize("beyond", [stream(None), stream(2, endless=True)])
def test_an_endless_one_goes_on(beyond: DocumentStream) -> None:
    assert beyond.take(StreamCursor(1, 4), 3)[0].record.tolist() == [100, 204, 203]


def test_the_documents_of_any_positions_of_an_epoch_are_planned_alone() -> None:
    plan = stream().plan(1, np.array([4, 0, 2]))

    assert (plan.record.tolist(), plan.reader.tolist()) == ([100, 104, 102], [3] * 3)


@pytest.mark.parametrize(
    ("planner", "first_epoch_after_the_end"), [(stream(2), 2), (stream(None), None), (stream(2, endless=True), None)]
)
def test_it_is_known_before_which_epoch_the_documents_end(
    planner: DocumentStream, first_epoch_after_the_end: int | None
) -> None:
    after = [epoch for epoch in range(9) if planner.ends_before(epoch)]

    assert after == ([] if first_epoch_after_the_end is None else list(range(first_epoch_after_the_end, 9)))


def test_a_whole_epoch_may_be_dropped_wherever_it_begins() -> None:
    assert (stream(None).most_dropped, stream(3).most_dropped) == (10, 15)


def test_what_may_drop_documents_says_so() -> None:
    assert (list(stream(drops=True).dropping), list(stream().dropping)) == ([3], [])


def test_every_cursor_comes_back_from_its_integers() -> None:
    planner = stream()
    cursor = planner.start()
    while not planner.finished(cursor):
        assert planner.decode(saved(*planner.encode(cursor)["web"])) == cursor
        _, cursor = planner.take(cursor, 1)


@pytest.mark.parametrize(
    ("planner", "integers"),
    [
        (stream(), (0, 5)),
        (stream(), (2, 1)),
        (stream(), (0,)),
        (stream(), (0, -1)),
    ],
)
def test_a_place_that_the_stream_does_not_have_is_refused(planner: DocumentStream, integers: tuple[int, ...]) -> None:
    with pytest.raises(rd.StateError, match=r"component 'web'"):
        planner.decode(saved(*integers))


def test_an_end_that_was_moved_matters_once_it_was_reached() -> None:
    assert stream(4).continues(StreamCursor(1, 4), saved(epochs_before={"web": 2}))
    assert not stream(4).continues(StreamCursor(2, 0), saved(epochs_before={"web": 2}))
    assert stream(4).continues(StreamCursor(2, 0), saved(epochs_before={"code": 2}))


def test_epochs_are_counted_as_a_fraction() -> None:
    counts = stream().counts(StreamCursor(1, 2))["web"]

    assert (counts.documents, counts.epochs, counts.share) == (7, 1.4, 1)
    assert stream().epoch(StreamCursor(1, 2)) == 1


def test_how_far_it_is_shows_in_documents_of_all_epochs() -> None:
    assert stream().extent(StreamCursor(1, 2)) == Extent(7, 10)
    assert stream(None).extent(StreamCursor(1, 2)) is None
