from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import resumable_data as rd
from resumable_data.errors import ClosedError
from resumable_data.loaders import LoaderIterator
from resumable_data.opaque import JsonDict


class Letters:
    """Letters, of which one cannot be loaded the first time. It counts what is started and closed."""

    def __init__(self, letters: str = "abcde", bad: str = "") -> None:
        self.letters, self.bad = letters, bad
        self.started: list[int] = []
        self.closed = 0

    def __len__(self) -> int:
        return len(self.letters)

    def description(self) -> JsonDict:
        return {"letters": self.letters}

    def start(self, step: int) -> Iterator[str]:
        self.started.append(step)
        return self._yield_from(step)

    def _yield_from(self, step: int) -> Iterator[str]:
        try:
            for letter in self.letters[step:]:
                if letter == self.bad:
                    self.bad = ""
                    raise rd.RecordError(f"{letter} is torn")
                yield letter
        finally:
            self.closed += 1


def test_a_restore_starts_at_the_item_and_loads_none_before_it() -> None:
    first = LoaderIterator(Letters())
    assert [next(first) for _ in range(3)] == ["a", "b", "c"]
    state = json.loads(json.dumps(first.get_state()))
    letters = Letters()
    again = LoaderIterator(letters)
    for _ in range(2):
        again.set_state(state)
        assert (again.step, list(again)) == (3, ["d", "e"])
    assert letters.started == [3, 3]


def test_a_move_ends_what_was_running_and_staying_does_not() -> None:
    letters = Letters()
    iterator = LoaderIterator(letters)
    next(iterator)
    iterator.start(1)
    assert (letters.closed, next(iterator)) == (0, "b")
    iterator.start(4)
    assert (letters.closed, next(iterator), letters.started) == (1, "e", [0, 4])


def test_checking_a_state_moves_nothing() -> None:
    iterator = LoaderIterator(Letters())
    go = iterator.check_state(LoaderIterator(Letters(), 4).get_state())
    assert next(iterator) == "a"
    go()
    assert next(iterator) == "e"


def test_a_failed_item_is_tried_again_at_the_same_position() -> None:
    letters = Letters(bad="b")
    iterator = LoaderIterator(letters)
    next(iterator)
    with pytest.raises(rd.RecordError, match="b is torn"):
        next(iterator)
    assert (iterator.step, "".join(iterator), letters.started) == (1, "bcde", [0, 1])


def test_an_ended_iterator_stays_at_its_end() -> None:
    letters = Letters()
    iterator = LoaderIterator(letters)
    assert (list(iterator), list(iterator), iterator.step) == (list("abcde"), [], 5)
    assert letters.started == [0]


def test_a_closed_iterator_delivers_nothing_and_keeps_its_state() -> None:
    letters = Letters()
    with LoaderIterator(letters) as iterator:
        next(iterator)
        state = iterator.get_state()
    assert (letters.closed, iterator.get_state()) == (1, state)
    with pytest.raises(ClosedError, match="this iterator is closed"):
        next(iterator)


def test_what_cannot_be_restored_moves_nothing() -> None:
    iterator = LoaderIterator(Letters())
    next(iterator)
    with pytest.raises(rd.PipelineMismatchError, match="letters was 'xyz', is 'abcde'"):
        iterator.set_state(LoaderIterator(Letters("xyz")).get_state())
    with pytest.raises(rd.PipelineMismatchError, match="leave allow out"):
        iterator.set_state(iterator.get_state(), allow=["seed"])
    with pytest.raises(rd.StateError, match="at item 6 of 5"):
        iterator.set_state(LoaderIterator(Letters(), 6).get_state())
    assert next(iterator) == "b"


def test_an_iterator_that_is_given_as_items_is_not_closed() -> None:
    given = LoaderIterator(Letters())
    with LoaderIterator(given) as iterator:
        assert next(iterator) == "a"
    assert next(given) == "b"
