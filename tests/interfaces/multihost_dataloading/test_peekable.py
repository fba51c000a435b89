from __future__ import annotations

from typing import Any

import pytest

import resumable_data as rd
from resumable_data.interfaces.multihost_dataloading.peekable import Peekable


class Steps:
    """An iterator from 0 to 3 with a state and a step. It records the allowed changes that it got."""

    def __init__(self) -> None:
        self.step = 0
        self.allowed: Any = None

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> int:
        if self.step == 4:
            raise StopIteration
        self.step += 1
        return self.step - 1

    def get_state(self) -> dict[str, int]:
        return {"step": self.step}

    def set_state(self, state: dict[str, int], allow: Any = ()) -> None:
        self.step, self.allowed = state["step"], allow


def test_looking_moves_neither_state_nor_step() -> None:
    steps = Steps()
    peekable = Peekable(steps)
    for number in range(4):
        assert [peekable.look(), peekable.look()] == [number, number]
        assert (peekable.get_state(), peekable.step) == ({"step": number}, number)
        peekable.take()
        assert (peekable.get_state(), peekable.step) == ({"step": number + 1}, number + 1)
    for _ in range(2):
        with pytest.raises(StopIteration):
            peekable.look()


def test_its_own_way_to_look_is_used() -> None:
    data = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3]])).pad(2, eod_id=0).batch(1)
    iterator, plain = iter(data), iter(data)
    peekable = Peekable(iterator, iterator.peek)
    assert peekable.look() is peekable.look()
    assert peekable.get_state() == plain.get_state()
    peekable.take()
    next(plain)
    assert peekable.get_state() == plain.get_state()


def test_a_state_drops_what_was_looked_at_and_the_end() -> None:
    steps = Steps()
    peekable = Peekable(steps)
    beginning = peekable.get_state()
    peekable.look()
    peekable.check_state({"step": 4})()
    with pytest.raises(StopIteration):
        peekable.look()
    move = peekable.check_state(beginning, allow={"anything"})
    assert steps.step == 4
    move()
    assert (peekable.look(), steps.allowed) == (0, {"anything"})


def test_a_state_that_fails_keeps_what_was_looked_at() -> None:
    peekable = Peekable(Steps())
    peekable.look()
    with pytest.raises(KeyError):
        peekable.check_state({})()
    assert (peekable.look(), peekable.step) == (0, 0)
    peekable.take()
    assert peekable.look() == 1


def test_an_iterator_that_can_check_is_asked_before_it_moves() -> None:
    data = rd.Dataset.from_source(rd.InMemorySource([[1], [2]])).pad(2, eod_id=0).batch(1)
    iterator = iter(data)
    peekable = Peekable(iterator, iterator.peek)
    with pytest.raises(rd.StateError):
        peekable.check_state({"step": 1})


def test_without_a_state_there_is_an_error() -> None:
    peekable = Peekable(iter([1]))
    assert not peekable.has_state
    assert peekable.step is None
    with pytest.raises(rd.StateError, match="position would be lost"):
        peekable.get_state()
