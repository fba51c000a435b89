"""What processes claim of themselves, and what they are told where they differ."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.coordination import outcomes
from resumable_data.placement.agreement import Claim, agree, agree_at, claim_of, failure_of
from resumable_data.placement.meeting import Meeting


def state(steps: int, seed: int = 7) -> Any:
    source = rd.SyntheticSource(50, lengths=[3, 9], vocabulary=50)
    iterator = iter(rd.Dataset.from_source(source).shuffle(seed).repeat().pad(9, eod_id=0).batch(2))
    for _ in range(steps):
        next(iterator)
    return json.loads(json.dumps(iterator.get_state()))


HERE = claim_of(state(5))


def told(meetings: list[Meeting], *claims: Claim) -> list[Any]:
    """What each of three processes is told that makes a claim."""
    return outcomes([partial(agree_at, meeting, claim) for meeting, claim in zip(meetings, claims, strict=True)])


def test_processes_that_claim_the_same_agree(meetings: list[Meeting]) -> None:
    assert told(meetings, HERE, HERE, HERE) == [None] * 3


@pytest.mark.parametrize(
    ("other", "line", "own"),
    [
        (claim_of(state(6)), "process 2 has step 6, process 0 5", ()),
        (Claim(HERE.pipeline, 5, "there"), "process 2 is at another position than process 0, or had other edits", ()),
        (
            claim_of(state(5, seed=8)),
            "process 2 has another pipeline, or other data, than process 0",
            ("here, against process 0: shuffle.seed was 7, is 8",),
        ),
    ],
)
def test_all_hear_what_differs(meetings: list[Meeting], other: Claim, line: str, own: tuple[str, ...]) -> None:
    found = told(meetings, HERE, HERE, other)
    assert all(isinstance(error, rd.PipelineMismatchError) for error in found)
    assert [error.differences for error in found] == [(line,), (line,), (line, *own)]


def test_the_others_hear_of_a_failure(meetings: list[Meeting]) -> None:
    first, second, third = told(meetings, HERE, failure_of(OSError("the disk is full")), HERE)
    assert second is None
    assert "process 1: OSError: the disk is full" in str(first) == str(third)


def test_one_process_alone_agrees_without_a_service() -> None:
    places = [agree("before the first batch", [0], claim) for claim in (HERE, HERE, failure_of(OSError()))]
    assert len(set(places)) == 3


def test_a_claim_tells_positions_and_pipelines_apart() -> None:
    assert claim_of(state(3)) == claim_of(state(3))
    assert claim_of(state(3)).position != claim_of(state(4)).position
    assert claim_of(state(3)).step == 3
    assert claim_of(state(3)).to_json()["pipeline"] == claim_of(state(4)).to_json()["pipeline"]
    assert claim_of(state(3)).to_json()["pipeline"] != claim_of(state(3, seed=8)).to_json()["pipeline"]


def test_of_a_foreign_state_the_step_alone_counts() -> None:
    assert claim_of({"step": 4, "shard": 1}) == claim_of({"step": 4, "shard": 2}) != claim_of({"step": 5})
