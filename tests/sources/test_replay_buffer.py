"""The buffer of a sequential source: read forward once, and again where it has to be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import resumable_data as rd
from resumable_data.sources.record_memory import memory_of
from resumable_data.sources.replay_buffer import ReplayBuffer


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
        self.cannot_parse: int | None = None

    def __iter__(self) -> Iterator[int]:
        while self.place < self.limit:
            if self.place == self.fails_at:
                raise OSError("connection reset")
            if self.place == self.cannot_parse:
                raise rd.RecordError("no number")
            self.place += 1
            yield self.place - 1

    def state(self) -> int:
        return self.place


def test_reading_on_opens_the_source_once() -> None:
    source = Numbers()
    buffer = ReplayBuffer(source, rd.Retries(attempts=1))

    assert buffer.advance(0, "null", 10) == (10, "10")
    assert buffer.advance(10, "10", 5) == (5, "15")
    assert [buffer.record(number) for number in (0, 14, 9)] == [0, 14, 9]
    assert source.opened == [0]


def test_the_same_stretch_is_not_read_twice() -> None:
    source = Numbers()
    buffer = ReplayBuffer(source, rd.Retries(attempts=1))

    assert buffer.advance(0, "null", 10) == buffer.advance(0, "null", 10)
    assert source.opened == [0]


def test_it_goes_back_to_a_state() -> None:
    buffer = ReplayBuffer(Numbers(), rd.Retries(attempts=1))
    buffer.advance(0, "null", 50)

    assert buffer.advance(20, "20", 4) == (4, "24")
    assert buffer.record(23) == 23


def test_it_ends_with_the_source() -> None:
    buffer = ReplayBuffer(Numbers(limit=7), rd.Retries(attempts=1))

    assert buffer.advance(0, "null", 10) == (7, "7")
    assert buffer.advance(7, "7", 10) == (0, "7")


def test_what_was_asked_for_is_kept_within_its_bytes_and_read_again_beyond() -> None:
    source = Numbers()
    buffer = ReplayBuffer(source, rd.Retries(attempts=1), kept_bytes=5 * memory_of(7))
    for start in range(0, 80, 8):
        buffer.advance(start, str(start), 8)
        assert [buffer.record(number) for number in range(start, start + 8)] == list(range(start, start + 8))

    assert [buffer.record(number) for number in range(75, 80)] == list(range(75, 80))
    assert source.opened == [0]
    # A stretch that is asked for again in its order is opened once.
    assert [buffer.record(number) for number in range(17, 24)] == list(range(17, 24))
    assert source.opened == [0, 16]
    # And the reader that reads forward is where it was.
    assert buffer.advance(80, "80", 3) == (3, "83")
    assert source.opened == [0, 16]


def test_what_is_planned_is_kept_whatever_it_takes() -> None:
    source = Numbers()
    buffer = ReplayBuffer(source, rd.Retries(attempts=1), kept_bytes=0)
    buffer.advance(0, "null", 60)

    assert [buffer.record(number) for number in range(60)] == list(range(60))
    assert source.opened == [0]


def test_what_was_planned_at_a_place_that_was_left_is_dropped() -> None:
    buffer = ReplayBuffer(Numbers(), rd.Retries(attempts=1), kept_bytes=0)
    buffer.advance(0, "null", 30)
    buffer.advance(50, "50", 2)

    assert len(buffer._planned) == 2
    assert buffer.record(29) == 29


def test_a_closed_tape_keeps_nothing_and_reads_again() -> None:
    source = Numbers()
    buffer = ReplayBuffer(source, rd.Retries(attempts=1))
    buffer.advance(0, "null", 6)
    buffer.record(1)
    buffer.close()

    assert [len(buffer._planned), len(buffer._asked), len(buffer._stretches), buffer._head] == [0, 0, 0, None]
    assert buffer.advance(4, "4", 2) == (2, "6")
    assert [buffer.record(4), buffer.record(5)] == [4, 5]


def test_a_record_whose_state_was_dropped_too_is_an_error() -> None:
    buffer = ReplayBuffer(Numbers(), rd.Retries(attempts=1), kept_bytes=0, stretches_bytes=0, fewest_stretches=2)
    for start in range(0, 80, 8):
        buffer.advance(start, str(start), 8)
        for number in range(start, start + 8):
            buffer.record(number)

    with pytest.raises(rd.SourceError, match="record 3 of a sequential source was read too long ago"):
        buffer.record(3)
    assert buffer.record(65) == 65


class Broken(Numbers):
    """Numbers whose tenth cannot be parsed, nor those after it be had."""

    def __repr__(self) -> str:
        return "broken numbers"

    def open_at(self, state: int | None) -> NumbersReader:
        reader = super().open_at(state)
        reader.cannot_parse = 10
        return reader


def test_a_record_that_the_source_cannot_go_past_is_named_and_not_tried_again() -> None:
    source = Broken()
    buffer = ReplayBuffer(source, rd.Retries(attempts=4, longest_wait=0))
    assert buffer.advance(0, "null", 8) == (8, "8")

    with pytest.raises(
        rd.RecordError, match=r"^broken numbers, record 10 of the stream: no number\. The stream cannot"
    ):
        buffer.advance(8, "8", 8)
    assert source.opened == [0]
    assert buffer.advance(8, "8", 2) == (2, "10")


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
    buffer = ReplayBuffer(source, rd.Retries(attempts=3, longest_wait=0))

    assert buffer.advance(0, "null", 10) == (10, "10")
    assert [buffer.record(number) for number in range(10)] == list(range(10))
    assert source.opened == [0, 0, 0]


def test_storage_that_goes_on_failing_is_an_error_and_nothing_is_lost() -> None:
    buffer = ReplayBuffer(Failing(2), rd.Retries(attempts=2, longest_wait=0))

    with pytest.raises(rd.SourceError, match="failing numbers cannot be read in 2 attempts: connection reset"):
        buffer.advance(0, "null", 10)
    assert buffer.advance(0, "null", 10) == (10, "10")
    assert buffer.record(9) == 9
