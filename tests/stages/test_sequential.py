"""The planner of a stream: the source's own state in ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.planning.planner import Saved
from resumable_data.stages.component import Component
from resumable_data.stages.sequential import SequentialCursor, SequentialStage
from resumable_data.stages.stage import Opening


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


def planner() -> Any:
    return Component(SequentialStage.of(Countdown(), "down", rd.Retries())).open(Opening(), "down")


def saved(*integers: Any) -> Saved:
    return Saved({"down": integers}, 0, {}, (), int, int, {})


def test_a_plan_numbers_the_records_and_measures_them() -> None:
    plan, behind = planner().take(planner().start(), 3)

    assert (plan.record.tolist(), plan.length.tolist()) == ([0, 1, 2], [9, 8, 7])
    assert behind == SequentialCursor(3, '{"left":6}')


def test_planning_is_pure() -> None:
    stream = planner()
    _, behind = stream.take(stream.start(), 4)
    for _ in range(2):
        assert stream.take(behind, 2)[0].length.tolist() == [5, 4]
        assert stream.take(stream.start(), 1)[0].length.tolist() == [9]


def test_the_end_shows_when_it_is_reached() -> None:
    stream = planner()
    plan, behind = stream.take(stream.start(), 20)

    assert len(plan) == 9
    assert stream.finished(behind)
    assert not stream.finished(stream.start())
    assert len(stream.take(behind, 1)[0]) == 0


def test_a_cursor_comes_back_from_a_state() -> None:
    stream = planner()
    _, behind = stream.take(stream.start(), 5)
    integers = json.loads(json.dumps(stream.encode(behind)["down"]))

    assert planner().decode(saved(*integers)) == behind


@pytest.mark.parametrize("integers", [(), (3,), (-1, "null"), ("3", "null"), (3, 4), (True, "null"), (3, "null", 1)])
def test_what_is_no_position_of_a_stream_is_refused(integers: tuple[Any, ...]) -> None:
    with pytest.raises(rd.StateError, match="is no position of a stream"):
        planner().decode(saved(*integers))
