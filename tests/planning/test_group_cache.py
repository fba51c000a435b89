"""Groups that were planned of late, asked for by several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier, Event

import pytest

from resumable_data.errors import RecordError
from resumable_data.planning.group_cache import GroupCache
from resumable_data.timing import Clocks, Work
from resumable_data.waits import Doing, activities

LONG = 60.0


class Group(str):
    """A text that others can refer to weakly."""


class Planner:
    """Plans a group as its place in words, and notes what it planned. It may fail the first few times.

    Attributes:
        planned: The places that were planned, in order.
        failures: What the next calls raise.
        begun: Set once a group is being planned.
        go_on: What planning waits for.
    """

    def __init__(self, *failures: BaseException, wait: bool = False) -> None:
        self.planned: list[int] = []
        self.failures = list(failures)
        self.begun, self.go_on = Event(), Event()
        if not wait:
            self.go_on.set()

    def __call__(self, place: int) -> Group:
        self.planned.append(place)
        self.begun.set()
        assert self.go_on.wait(LONG)
        if self.failures:
            raise self.failures.pop(0)
        return Group(f"group {place}")


def run_at_once(task: Callable[[], None]) -> None:
    task()


def never(task: Callable[[], None]) -> None:
    raise AssertionError("nothing is to be run")


def test_a_group_is_planned_once() -> None:
    planner = Planner()
    groups = GroupCache(planner)

    assert [groups.get(place) for place in (7, 8, 7)] == ["group 7", "group 8", "group 7"]
    assert planner.planned == [7, 8]


def test_only_the_latest_groups_are_kept() -> None:
    planner = Planner()
    groups = GroupCache(planner)
    for place in (1, 2, 3, 4, 4, 3, 2, 1):
        groups.get(place)

    assert planner.planned == [1, 2, 3, 4, 1]


def test_a_group_that_somebody_else_keeps_is_not_planned_again() -> None:
    planner = Planner()
    groups = GroupCache(planner)
    kept = groups.get(1)
    for place in (2, 3, 4, 5):
        groups.get(place)

    assert groups.get(1) is kept
    groups.prepare(1, never)
    assert planner.planned == [1, 2, 3, 4, 5]


def test_of_two_threads_that_ask_for_one_group_one_plans_it() -> None:
    planner = Planner(wait=True)
    groups = GroupCache(planner)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(groups.get, 5)
        assert planner.begun.wait(LONG)
        others = [threads.submit(groups.get, 5) for _ in range(7)]
        planner.go_on.set()

        assert {asked.result(LONG) for asked in (first, *others)} == {"group 5"}
    assert planner.planned == [5]


def test_two_groups_are_planned_at_the_same_time() -> None:
    together = Barrier(2)

    def plan(place: int) -> Group:
        together.wait(LONG)  # passes only once two threads plan
        return Group(place)

    groups = GroupCache(plan)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(groups.get, place) for place in (1, 2)]
        assert [one.result(LONG) for one in asked] == ["1", "2"]


def test_a_group_that_was_prepared_is_there() -> None:
    planner = Planner()
    groups = GroupCache(planner)
    groups.prepare(3, run_at_once)
    assert planner.planned == [3]

    groups.prepare(3, never)
    assert groups.get(3) == "group 3"
    assert planner.planned == [3]


def test_a_group_that_is_being_planned_is_not_prepared() -> None:
    planner = Planner(wait=True)
    groups = GroupCache(planner)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(groups.get, 3)
        assert planner.begun.wait(LONG)
        groups.prepare(3, never)
        planner.go_on.set()
        assert asked.result(LONG) == "group 3"


def test_a_preparation_that_fails_is_done_again_by_who_asks() -> None:
    planner = Planner(RecordError("bad"))
    groups = GroupCache(planner)
    groups.prepare(3, run_at_once)

    assert groups.get(3) == "group 3"
    assert planner.planned == [3, 3]


def test_who_asks_is_told_what_fails() -> None:
    groups = GroupCache(Planner(RecordError("bad"), RecordError("still bad")))
    groups.prepare(3, run_at_once)

    with pytest.raises(RecordError, match="still bad"):
        groups.get(3)
    assert groups.get(3) == "group 3"


def test_who_waits_for_a_preparation_that_fails_plans_the_group() -> None:
    planner = Planner(RecordError("bad"), wait=True)
    groups = GroupCache(planner)
    with ThreadPoolExecutor(2) as threads:
        groups.prepare(3, lambda task: threads.submit(task) and None)
        assert planner.begun.wait(LONG)
        asked = threads.submit(groups.get, 3)
        planner.go_on.set()

        assert asked.result(LONG) == "group 3"
    assert planner.planned == [3, 3]


def test_a_bug_too_is_told_to_who_asks_and_not_before() -> None:
    groups = GroupCache(Planner(KeyError("a bug"), KeyError("a bug")))
    groups.prepare(3, run_at_once)

    with pytest.raises(KeyError, match="a bug"):
        groups.get(3)


def test_who_waits_for_a_group_that_another_thread_plans_does_nothing_meanwhile() -> None:
    planner, ticks = Planner(wait=True), count()
    groups, clocks = GroupCache(planner), Clocks(lambda: float(next(ticks)))

    def ask() -> Group | None:
        with clocks.running(), Doing(str, Work.PLANNING):
            return groups.get(5)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(groups.get, 5)
        assert planner.begun.wait(LONG)
        second = threads.submit(ask)
        for _ in range(int(1000 * LONG)):
            if "waiting for documents that another thread measures" in activities():
                break
            Event().wait(0.001)
        else:
            pytest.fail("it does not say that it waits")
        planner.go_on.set()
        assert first.result(LONG) == second.result(LONG) == "group 5"

    # One before and one after planning, one of waiting; planning before the wait, and after it.
    assert (clocks.seconds(Work.NOTHING), clocks.seconds(Work.PLANNING)) == (3.0, 2.0)
