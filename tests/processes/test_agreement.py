"""What processes report of themselves, and what they are told if they differ."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.coordination import outcomes
from property_tests.testing.running import through_json
from resumable_data.processes.agreement import PositionReport, agree, agree_at, report_of, report_of_failure
from resumable_data.processes.rendezvous import Rendezvous


def state(steps: int, seed: int = 7) -> Any:
    source = rd.SyntheticSource(50, lengths=[3, 9], vocabulary=50)
    iterator = iter(rd.Dataset.from_source(source).shuffle(seed).repeat().pad(9, eod_id=0).batch(2))
    for _ in range(steps):
        next(iterator)
    return through_json(iterator.get_state())


HERE = report_of(state(5))


def told(views: list[Rendezvous], *reports: PositionReport) -> list[Any]:
    """What each of three processes is told after it makes a report."""
    return outcomes([partial(agree_at, view, report) for view, report in zip(views, reports, strict=True)])


def test_processes_that_report_the_same_agree(views: list[Rendezvous]) -> None:
    assert told(views, HERE, HERE, HERE) == [None] * 3


@pytest.mark.parametrize(
    ("other", "line", "own"),
    [
        (report_of(state(6)), "process 2 has step 6, process 0 5", ()),
        (
            PositionReport(HERE.pipeline, 5, "there"),
            "process 2 is at another position than process 0, or had other edits",
            (),
        ),
        (
            report_of(state(5, seed=8)),
            "process 2 has another pipeline, or other data, than process 0",
            ("here, against process 0: shuffle.seed was 7, is 8",),
        ),
    ],
)
def test_all_hear_what_differs(
    views: list[Rendezvous], other: PositionReport, line: str, own: tuple[str, ...]
) -> None:
    found = told(views, HERE, HERE, other)
    assert all(isinstance(error, rd.PipelineMismatchError) for error in found)
    assert [error.differences for error in found] == [(line,), (line,), (line, *own)]


def test_positions_of_foreign_iterators_are_compared_too(views: list[Rendezvous]) -> None:
    there, earlier = report_of({"step": 5}), report_of({"step": 4})
    found = told(views, there, there, earlier)
    assert all(isinstance(error, rd.PipelineMismatchError) for error in found)
    assert {error.differences for error in found} == {("process 2 has step 4, process 0 5",)}
    lines = "process 2 has another pipeline, or other data, than process 0"
    assert {error.differences[-1] for error in told(views, HERE, HERE, there)} == {lines}


def test_the_others_hear_of_a_failure(views: list[Rendezvous]) -> None:
    first, second, third = told(views, HERE, report_of_failure(OSError("the disk is full")), HERE)
    assert second is None
    assert "process 1: OSError: the disk is full" in str(first) == str(third)


def test_one_process_alone_agrees_without_a_service() -> None:
    places = [agree("before the first batch", [0], report) for report in (HERE, HERE, report_of_failure(OSError()))]
    assert len(set(places)) == 3


def test_a_report_tells_positions_and_pipelines_apart() -> None:
    assert report_of(state(3)) == report_of(state(3))
    assert report_of(state(3)).position != report_of(state(4)).position
    assert report_of(state(3)).step == 3
    assert report_of(state(3)).to_json()["pipeline"] == report_of(state(4)).to_json()["pipeline"]
    assert report_of(state(3)).to_json()["pipeline"] != report_of(state(3, seed=8)).to_json()["pipeline"]


def test_only_the_step_of_a_foreign_state_counts() -> None:
    assert report_of({"step": 4, "shard": 1}) == report_of({"step": 4, "shard": 2}) != report_of({"step": 5})
