"""The engine of documents that may be dropped, over a planner and a reader that are told plain values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Int64Array
from resumable_data.engines.elements import DocumentEngine
from resumable_data.engines.filtered_documents import FilteredCursor, document_engine
from resumable_data.order.epoch_sizes import EpochSizes
from resumable_data.packing.plan import DocumentLengths
from resumable_data.planning.documents import DocumentStream, StreamCursor
from resumable_data.reading.documents import Documents


class Reader:
    """Documents that are their record's number; those are dropped that ``keeps`` does not name."""

    reads_together = True

    def __init__(self, keeps: set[int], bad: int | None = None) -> None:
        self.keeps = keeps
        self.bad = bad
        self.reads: list[list[int]] = []

    def read(self, records: Int64Array) -> Documents:
        self.reads.append(records.tolist())
        if self.bad in records:
            raise rd.RecordError(f"record {self.bad} is bad")
        return Documents(records.tolist()).keep(np.isin(records, list(self.keeps)))

    def read_tokens(self, records: Int64Array) -> Documents:
        raise NotImplementedError

    def measure(self, records: Int64Array) -> DocumentLengths:
        raise NotImplementedError

    def name_of(self, record: int) -> str:
        return str(record)


def engine_of(reader: Reader, *, drops: bool = True, epochs: int | None = 1) -> Any:
    planner = DocumentStream(
        "web", 0, EpochSizes(6), epochs=epochs, order=lambda epoch, positions: positions, drops=drops
    )
    return document_engine(planner, [reader])


def delivered(engine: Any) -> list[tuple[Any, FilteredCursor]]:
    found: list[tuple[Any, FilteredCursor]] = []
    cursor = engine.start()
    while (planned := engine.plan(cursor, len(found))) is not None:
        cursor = planned.after
        found.append((planned.plan, cursor))
    return found


def test_a_cursor_counts_the_documents_that_were_dropped_before_it() -> None:
    assert delivered(engine_of(Reader({1, 2, 5}))) == [
        (1, FilteredCursor(StreamCursor(0, 2), (1,))),
        (2, FilteredCursor(StreamCursor(0, 3), (1,))),
        (5, FilteredCursor(StreamCursor(1, 0), (3,))),
    ]


def test_documents_are_read_together_to_be_planned() -> None:
    reader = Reader({1, 2, 5})
    delivered(engine_of(reader))

    assert reader.reads == [[0], [1, 2], [3, 4, 5]]


def test_documents_are_planned_one_by_one_where_reading_more_gains_nothing() -> None:
    reader = Reader({1, 2, 5})
    reader.reads_together = False
    engine = engine_of(reader)

    assert engine.plan(engine.start(), 0).plan == 1
    assert reader.reads == [[0], [1]]


def test_those_before_a_bad_record_are_delivered() -> None:
    reader = Reader({0, 1}, bad=2)
    engine = engine_of(reader)
    first = engine.plan(engine.start(), 0)
    second = engine.plan(first.after, 1)

    assert (first.plan, second.plan) == (0, 1)
    for _ in range(2):
        with pytest.raises(rd.RecordError, match="record 2 is bad"):
            engine.plan(second.after, 2)
    # After a failure it begins again with one document.
    assert reader.reads == [[0], [1, 2], [1], [2, 3], [2], [2]]


def test_an_endless_stream_of_which_all_is_dropped_is_an_error() -> None:
    engine = engine_of(Reader(set()), epochs=None)
    with pytest.raises(rd.SourceError, match="component 'web'"):
        engine.plan(engine.start(), 0)


def test_what_was_dropped_up_to_the_next_document_is_counted() -> None:
    engine = engine_of(Reader({2, 5}))
    cursors = [engine.start(), *(at for _, at in delivered(engine))]
    counts = [engine.counts(cursor, ended=False)["web"] for cursor in cursors]

    assert [(count.documents, count.dropped) for count in counts] == [(0, 2), (1, 4), (2, 4)]


def test_nothing_is_read_to_plan_where_no_document_is_dropped() -> None:
    reader = Reader(set(range(6)))
    engine = engine_of(reader, drops=False)

    assert isinstance(engine, DocumentEngine)
    plan = engine.plan(engine.start(), 0).plan
    assert reader.reads == []
    assert list(engine.load([plan])) == [0]
    assert np.array_equal(plan.record, [0])
