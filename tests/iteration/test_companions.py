from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.coordination import TIMEOUT, ThreadedRun, threaded_run, together
from property_tests.testing.running import raw
from resumable_data.iteration.companions import Companions, Outlook, common_steps
from resumable_data.placement.meeting import Meeting
from resumable_data.stages.stage import Opening


@pytest.fixture(scope="module")
def run() -> Iterator[ThreadedRun]:
    with threaded_run(2) as run:
        yield run


def batches(
    *, epochs: int | None = 1, shards: int = 2, drop_remainder: bool = True, records: int = 3
) -> rd.Dataset[rd.LLMBatch]:
    """Rows of one token, one more of the first shard than of the second."""
    documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3], [4], [5]][:records])).repeat(epochs)
    return documents.pad(1, eod_id=9).batch(2, shards=shards, drop_remainder=drop_remainder)


def companions(data: rd.Dataset[rd.LLMBatch], index: int) -> tuple[Companions, Any]:
    """How process ``index`` of two deals with the other, and the cursor at its start."""
    node: Any = together(data, index, 2).node
    engine = node.engine(Opening())
    return Companions(engine), engine.start()


@pytest.mark.parametrize(
    ("outlooks", "dropping", "filling_up"),
    [
        ([(3, False), (5, False)], 3, 3),
        ([(3, False), (2, True)], 2, 3),
        ([(2, True), (2, True)], 2, 2),
        ([(3, False), (2, True), (4, False)], 2, 3),
    ],
)
def test_how_far_all_go_on(outlooks: list[tuple[int, bool]], dropping: int, filling_up: int) -> None:
    said = [Outlook(*outlook) for outlook in outlooks]
    assert common_steps(said, drop_remainder=True) == dropping
    assert common_steps(said, drop_remainder=False) == filling_up


def test_batches_that_all_have_ready_need_no_meeting(run: ThreadedRun) -> None:
    def steps_without_the_other(index: int) -> int:
        own, cursor = companions(batches(), index)
        own.agree(iter(batches()).get_state())
        batch: Any = object()
        own.in_common(0, cursor, (batch, cursor), ahead=3 + index)
        if index == 0:
            # The other has gone: another meeting would wait in vain.
            return sum(own.in_common(step, cursor, (batch, cursor), ahead=0) == (batch, cursor) for step in (1, 2, 3))
        return 0

    assert run.results(2, steps_without_the_other) == [3, 0]


@pytest.mark.parametrize("data", [batches(epochs=None), batches(shards=1)])
def test_where_nobody_has_to_know_of_an_end_nobody_asks(run: ThreadedRun, data: rd.Dataset[rd.LLMBatch]) -> None:
    def alone(index: int) -> Any:
        own, cursor = companions(data, index)
        own.agree(iter(data).get_state())
        found = own.in_common(0, cursor, None, ahead=0) if index == 0 else None
        own.fail(OSError())
        return found, own.agreed

    assert run.results(2, alone) == [(None, True)] * 2


def test_the_one_without_rows_gives_unscored_ones_as_long_as_the_other_has_some(run: ThreadedRun) -> None:
    def all_of(index: int) -> list[rd.LLMBatch]:
        return list(together(batches(drop_remainder=False), index, 2))

    whole = list(batches(drop_remainder=False))
    first, second = run.results(2, all_of)
    assert [batch.targets.tolist() for batch in whole] == [[[1], [2]], [[3], [0]]]
    assert [batch.targets.tolist() for batch in first] == [[[1]], [[3]]]
    assert [batch.targets.tolist() for batch in second] == [[[2]], [[0]]]
    assert second[1].targets_segmentation.tolist() == [[0]]
    assert raw(second[1])[0][2] == (1, 1)


def test_what_one_has_left_is_counted_where_the_other_ends(run: ThreadedRun) -> None:
    def left(index: int) -> list[int]:
        with iter(together(batches(), index, 2)) as iterator:
            found = [iterator.progress().dropped_rows]
            for _ in range(2):
                next(iterator, None)
                found.append(iterator.progress().dropped_rows)
            return found

    assert run.results(2, left) == [[0, 0, 1], [0, 0, 0]]


def test_the_end_is_remembered_and_a_move_forgets_it(run: ThreadedRun) -> None:
    def twice(index: int) -> list[int]:
        with iter(together(batches(), index, 2)) as iterator:
            start = iterator.get_state()
            found = [len(list(iterator)), len(list(iterator))]
            iterator.set_state(start)
            return [*found, len(list(iterator))]

    assert run.results(2, twice) == [[1, 0, 1]] * 2


def test_the_others_are_waited_for_as_long_before_the_first_batch_as_before_any_other(
    run: ThreadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, waits = Meeting.here, list[tuple[str, float]]()

    def noted(purpose: str, processes: tuple[int, ...], place: str, timeout_seconds: float) -> Meeting:
        waits.append((purpose, timeout_seconds))
        return here(purpose, processes, place, timeout_seconds)

    monkeypatch.setattr(Meeting, "here", noted)
    run.results(2, lambda index: list(together(batches(), index, 2)))
    assert {purpose for purpose, _ in waits} >= {"before the first batch", "before the batch of step 0"}
    assert len({seconds for _, seconds in waits}) == 1


@pytest.mark.parametrize("where", ["closed", "at the start again", "behind a skip"])
def test_one_that_waits_for_another_which_is_gone_hears_of_it(run: ThreadedRun, where: str) -> None:
    has_heard = threading.Event()

    def of_process(index: int) -> str:
        heard = ""
        with iter(together(batches(drop_remainder=False), index, 2)) as iterator:
            start = iterator.get_state()
            next(iterator)
            if index == 0:
                # As a thread that reads ahead of what its process asks for.
                with pytest.raises(rd.PeerError) as error:
                    next(iterator)
                heard = str(error.value)
                has_heard.set()
            elif where == "behind a skip":
                iterator.skip(1)
            elif where == "at the start again":
                iterator.set_state(start)
            else:
                iterator.close()
            assert has_heard.wait(TIMEOUT)
        return heard

    heard, _ = run.results(2, of_process)
    assert heard == (
        "before the batch of step 1: another process cannot go on:\n"
        "  process 1: it was closed, or went to another position"
    )


def test_closing_works_when_the_run_is_over(run: ThreadedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def over(*_: Any) -> Meeting:
        raise ValueError("Distributed system is not available")

    def broken_off(index: int) -> rd.DataIterator[rd.LLMBatch]:
        iterator = iter(together(batches(), index, 2))
        next(iterator)
        return iterator

    iterators = run.results(2, broken_off)
    monkeypatch.setattr(Meeting, "here", over)
    for iterator in iterators:
        iterator.close()


def test_what_goes_wrong_with_an_unscored_batch_is_told_to_the_others(
    run: ThreadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise MemoryError("no room for it")

    def all_of(index: int) -> list[rd.LLMBatch]:
        data = together(batches(drop_remainder=False, records=5), index, 2)
        with iter(data) as iterator:
            return list(iterator)

    monkeypatch.setattr("resumable_data.stages.batch.BatchEngine.unscored", full)
    first, second = run.outcomes(2, all_of)
    assert isinstance(first, rd.PeerError)
    assert "process 1: MemoryError: no room for it" in str(first)
    assert isinstance(second, MemoryError)


def test_the_others_are_told_of_batches_that_are_loaded_ahead(
    run: ThreadedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def in_common(self: Companions, step: int, cursor: Any, own: Any, ahead: int) -> Any:
        told.append(ahead)
        return own

    monkeypatch.setattr(Companions, "in_common", in_common)

    def first_two(index: int) -> None:
        with iter(together(batches(epochs=9), index, 2).prefetch(3)) as iterator:
            next(iterator)
            ready: Any = iterator._ready
            with ready._waiting._changed:
                assert ready._waiting._changed.wait_for(lambda: len(ready) == 3, timeout=60)
            next(iterator)

    run.results(2, first_two)
    assert max(told) >= 2
