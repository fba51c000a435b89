"""The planner of a component's documents, told an order, integers and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Int64Array
from resumable_data.order.shards import Share
from resumable_data.planning.documents import DocumentStream, StreamCursor
from resumable_data.planning.planner import Saved
from resumable_data.reading.reader import Sizes


def order(epoch: int, positions: Int64Array) -> Int64Array:
    """Epochs of five records, each from its last record to its first, with the epoch in the hundreds."""
    return 100 * epoch + 4 - positions


def stream(
    epochs: int | None = 2, *, endless: bool = False, share: Share | None = None, drops: bool = False
) -> DocumentStream:
    return DocumentStream(
        "web", 3, epoch_size=5, epochs=epochs, order=order, endless=endless, share=share or Share(), drops=drops
    )


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


def test_shards_share_out_the_positions_of_all_epochs() -> None:
    taken = [stream(share=Share(shard, 3)).take(stream(share=Share(shard, 3)).start(), 99)[0] for shard in range(3)]

    whole = stream().take(stream().start(), 10)[0].record.tolist()
    assert [plan.record.tolist() for plan in taken] == [whole[shard::3] for shard in range(3)]


def test_a_plan_states_the_sizes_that_are_measured() -> None:
    measured = DocumentStream(
        "web", 0, epoch_size=5, epochs=1, order=order, measure=lambda records: Sizes(10 * records, records)
    )
    plan, _ = measured.take(measured.start(), 2)

    assert plan.length.tolist() == [40, 30]
    assert plan.cut is not None
    assert plan.cut.tolist() == [4, 3]


def test_what_may_drop_documents_says_so() -> None:
    assert (list(stream(drops=True).dropping), list(stream().dropping)) == ([3], [])


@pytest.mark.parametrize("share", [Share(), Share(1, 3)])
def test_every_cursor_comes_back_from_its_integers(share: Share) -> None:
    planner = stream(share=share)
    cursor = planner.start()
    while not planner.finished(cursor):
        assert planner.decode(saved(*planner.encode(cursor)["web"])) == cursor
        _, cursor = planner.take(cursor, 1)


@pytest.mark.parametrize(
    ("planner", "integers"),
    [
        (stream(), (0, 5)),
        (stream(), (2, 1)),
        (stream(share=Share(1, 3)), (0, 2)),
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

    assert (counts.documents, counts.epochs) == (7, 1.4)
    assert np.isclose(counts.share, 1)
