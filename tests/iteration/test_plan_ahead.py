"""Planning ahead: each element with the digest of the next, where that is free."""

from typing import Any

import pytest

import resumable_data as rd
from resumable_data.engines.engine import Planned
from resumable_data.iteration.plan_ahead import plan_one_by_one


class Letters:
    """Plans letters, whose digests are themselves."""

    def __init__(self, letters: str, reads: bool = False, fails_at: int | None = None) -> None:
        self.letters, self.plans_without_reading, self.fails_at = letters, not reads, fails_at
        self.asked: list[int] = []

    def plan(self, cursor: int, step: int) -> Planned[str, int] | None:
        assert cursor == step
        self.asked.append(step)
        if step == self.fails_at:
            raise rd.SourceError("there it breaks")
        if step == len(self.letters):
            return None
        letter = self.letters[step]
        return Planned(letter, cursor + 1, 1, 1, None if letter == "-" else letter)


def planned(engine: Any) -> list[tuple[Any, ...]]:
    found = plan_one_by_one(engine, 0, 0)
    return [(element.plan, element.after.delivered, element.after.following) for element in found]


def test_each_element_knows_the_next_and_the_last_knows_the_end() -> None:
    engine = Letters("abc")
    assert planned(engine) == [("a", "a", "b"), ("b", "b", "c"), ("c", "c", "end")]
    assert engine.asked == [0, 1, 2, 3]


def test_nothing_is_planned_early_where_planning_reads() -> None:
    engine = Letters("abc", reads=True)
    elements = plan_one_by_one(engine, 0, 0)
    assert next(elements).after.following == ""
    assert engine.asked == [0]


def test_what_is_no_whole_batch_has_no_digest_and_looks_at_nothing() -> None:
    assert planned(Letters("-a-b")) == [("-", None, ""), ("a", "a", ""), ("-", None, ""), ("b", "b", "end")]


def test_an_element_before_an_error_is_delivered() -> None:
    elements = plan_one_by_one(Letters("abc", fails_at=2), 0, 0)
    assert next(elements).after.following == "b"
    assert next(elements).after.following == ""
    with pytest.raises(rd.SourceError, match="there it breaks"):
        next(elements)
