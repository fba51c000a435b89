"""The planner of a stream: the source's own state in ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.planning.planner import Saved
from resumable_data.planning.sequential_documents import SequentialCursor, SequentialDocuments
from resumable_data.sources.replay_buffer import ReplayBuffer


class Countdown:
    """Documents of 9, 8, … tokens."""

    def open_at(self, state: Any) -> CountdownReader:
        return CountdownReader(9 if state is None else state["left"])

    def fingerprint(self) -> str:
        return "countdown"


class CountdownReader:
    def __init__(self, left: int) -> None:
        self.left = left

    def __iter__(self) -> Iterator[list[int]]:
        while self.left:
            self.left -= 1
            yield [self.left + 1] * (self.left + 1)

    def state(self) -> Any:
        return {"left": self.left}


def planner(buffer: ReplayBuffer | None = None) -> SequentialDocuments:
    return SequentialDocuments(buffer or ReplayBuffer(Countdown(), rd.Retries()), "down", reader=3, drops=False)


def saved(*integers: Any) -> Saved:
    return Saved({"down": integers}, 0, {}, (), int, int, {})


def test_a_plan_numbers_the_records() -> None:
    plan, after = planner().take(planner().start(), 3)

    assert (plan.record.tolist(), plan.reader.tolist()) == ([0, 1, 2], [3] * 3)
    assert after == SequentialCursor(3, '{"left":6}')


def test_what_was_planned_can_be_read() -> None:
    buffer = ReplayBuffer(Countdown(), rd.Retries())
    stream = planner(buffer)
    _, after = stream.take(stream.start(), 2)
    plan, _ = stream.take(after, 2)

    assert [len(buffer.record(number)) for number in plan.record.tolist()] == [7, 6]


def test_planning_is_pure() -> None:
    stream = planner()
    _, after = stream.take(stream.start(), 4)
    for _ in range(2):
        assert stream.take(after, 2)[0].record.tolist() == [4, 5]
        assert stream.take(after, 2)[1] == SequentialCursor(6, '{"left":3}')
        assert stream.take(stream.start(), 1)[1] == SequentialCursor(1, '{"left":8}')


def test_the_end_shows_when_it_is_reached() -> None:
    stream = planner()
    plan, after = stream.take(stream.start(), 20)

    assert len(plan) == 9
    assert stream.finished(after)
    assert not stream.finished(stream.start())
    assert len(stream.take(after, 1)[0]) == 0


def test_a_cursor_comes_back_from_a_state() -> None:
    stream = planner()
    _, after = stream.take(stream.start(), 5)
    integers = json.loads(json.dumps(stream.encode(after)["down"]))

    assert planner().decode(saved(*integers)) == after


@pytest.mark.parametrize("integers", [(), (3,), (-1, "null"), ("3", "null"), (3, 4), (True, "null"), (3, "null", 1)])
def test_what_is_not_a_position_of_a_stream_is_refused(integers: tuple[Any, ...]) -> None:
    with pytest.raises(rd.StateError, match="is not a position of a stream"):
        planner().decode(saved(*integers))
