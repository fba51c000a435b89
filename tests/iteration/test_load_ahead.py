"""Loading ahead: in chunks that grow, up to a limit, with what was planned before an error delivered first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.engines.engine import Planned, spans_at_once
from resumable_data.iteration.load_ahead import load, one_by_one
from resumable_data.iteration.plan_ahead import plan_ahead


class Counting:
    """Plans the numbers from 0 on, each of so many spans, and notes what is loaded together."""

    def __init__(self, end: int, spans: int = 1, together: int = 8192, fails_at: int | None = None) -> None:
        self.end, self.spans, self.spans_at_once, self.fails_at = end, spans, together, fails_at
        self.loaded: list[list[int]] = []

    def plan(self, cursor: int, step: int) -> Planned[int, int] | None:
        if cursor == self.fails_at:
            raise rd.SourceError("there it breaks")
        return None if cursor == self.end else Planned(cursor, cursor + 1, self.spans, self.spans)

    def load(self, plans: Sequence[int]) -> Iterator[int]:
        self.loaded.append(list(plans))
        return iter(plans)


def taken(engine: Any, count: int = 1000) -> list[tuple[int, int, int]]:
    elements = one_by_one(load(engine, plan_ahead(engine, 0, 0)))
    return [(element, after.cursor, tokens) for element, after, tokens in islice(elements, count)]


def test_every_element_comes_with_the_cursor_after_it_and_its_tokens() -> None:
    assert taken(Counting(end=20, spans=7)) == [(number, number + 1, 7) for number in range(20)]


def test_chunks_double_from_one_element_on() -> None:
    engine = Counting(end=10)
    taken(engine)

    assert engine.loaded == [[0], [1, 2], [3, 4, 5, 6], [7, 8, 9]]


def test_a_chunk_ends_with_enough_spans() -> None:
    engine = Counting(end=12, spans=3, together=9)
    taken(engine)

    assert engine.loaded == [[0], [1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    engine = Counting(end=10)
    taken(engine, 3)

    assert engine.loaded == [[0], [1, 2]]


def test_what_comes_before_an_error_is_delivered_first() -> None:
    engine = Counting(end=10, fails_at=5)
    elements = one_by_one(load(engine, plan_ahead(engine, 0, 0)))

    assert [element for element, *_ in islice(elements, 5)] == [0, 1, 2, 3, 4]
    with pytest.raises(rd.SourceError, match="there it breaks"):
        next(elements)


def test_many_sources_are_read_in_larger_chunks() -> None:
    assert spans_at_once(1) == 8192
    assert spans_at_once(100) == 25_600
