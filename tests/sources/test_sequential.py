"""The tape of a sequential source: read forward once, and again where it has to be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import resumable_data as rd
from resumable_data.sources import sequential
from resumable_data.sources.sequential import Tape


class Numbers:
    """The numbers below a limit; remembers where it was opened."""

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit
        self.opened: list[int] = []

    def open_at(self, state: int | None) -> NumbersReader:
        self.opened.append(state or 0)
        return NumbersReader(state or 0, self.limit)

    def fingerprint(self) -> str:
        return f"numbers {self.limit}"


class NumbersReader:
    def __init__(self, place: int, limit: int) -> None:
        self.place, self.limit = place, limit
        self.fails_at: int | None = None

    def __iter__(self) -> Iterator[int]:
        while self.place < self.limit:
            if self.place == self.fails_at:
                raise OSError("connection reset")
            self.place += 1
            yield self.place - 1

    def state(self) -> int:
        return self.place


def test_reading_on_opens_the_source_once() -> None:
    source = Numbers()
    tape = Tape(source, rd.Retries(attempts=1))

    assert tape.advance(0, "null", 10) == (10, "10")
    assert tape.advance(10, "10", 5) == (5, "15")
    assert [tape.record(number) for number in (0, 14, 9)] == [0, 14, 9]
    assert source.opened == [0]


def test_the_same_stretch_is_not_read_twice() -> None:
    source = Numbers()
    tape = Tape(source, rd.Retries(attempts=1))

    assert tape.advance(0, "null", 10) == tape.advance(0, "null", 10)
    assert source.opened == [0]


def test_it_goes_back_to_a_state() -> None:
    tape = Tape(Numbers(), rd.Retries(attempts=1))
    tape.advance(0, "null", 50)

    assert tape.advance(20, "20", 4) == (4, "24")
    assert tape.record(23) == 23


def test_it_ends_with_the_source() -> None:
    tape = Tape(Numbers(limit=7), rd.Retries(attempts=1))

    assert tape.advance(0, "null", 10) == (7, "7")
    assert tape.advance(7, "7", 10) == (0, "7")


def test_a_record_that_had_to_go_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "_KEPT_RECORDS", 0)
    source = Numbers()
    tape = Tape(source, rd.Retries(attempts=1))
    for start in range(0, 80, 8):
        tape.advance(start, str(start), 8)

    assert tape.record(3) == 3
    assert source.opened == [0, 0]


def test_a_record_whose_state_had_to_go_too_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "_KEPT_RECORDS", 0)
    monkeypatch.setattr(sequential, "_KEPT_STRETCHES", 2)
    tape = Tape(Numbers(), rd.Retries(attempts=1))
    for start in range(0, 80, 8):
        tape.advance(start, str(start), 8)

    with pytest.raises(rd.SourceError, match="record 3 of a sequential source was read too long ago"):
        tape.record(3)


class Failing(Numbers):
    """Numbers whose storage fails in the middle of a stretch, for so many times."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def __repr__(self) -> str:
        return "failing numbers"

    def open_at(self, state: int | None) -> NumbersReader:
        reader = super().open_at(state)
        if self.failures:
            self.failures -= 1
            reader.fails_at = reader.place + 3
        return reader


def test_storage_that_fails_is_asked_again_from_the_state_in_front_of_the_stretch() -> None:
    source = Failing(2)
    tape = Tape(source, rd.Retries(attempts=3, longest_wait=0))

    assert tape.advance(0, "null", 10) == (10, "10")
    assert [tape.record(number) for number in range(10)] == list(range(10))
    assert source.opened == [0, 0, 0]


def test_storage_that_goes_on_failing_is_an_error_and_nothing_is_lost() -> None:
    tape = Tape(Failing(2), rd.Retries(attempts=2, longest_wait=0))

    with pytest.raises(rd.SourceError, match="failing numbers cannot be read in 2 attempts: connection reset"):
        tape.advance(0, "null", 10)
    assert tape.advance(0, "null", 10) == (10, "10")
    assert tape.record(9) == 9
