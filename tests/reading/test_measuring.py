"""How long documents are: known, or measured by reading, alone or by shares."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count
from threading import Event, current_thread

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.coordination import outcomes
from property_tests.testing.memory_carrier import Board, MemoryCarrier
from resumable_data.arrays import Int64Array, Ragged
from resumable_data.packing.plan import DocumentLengths, DocumentPlan, RowPlan
from resumable_data.processes.length_exchange import ExchangeClosedError, LengthExchange
from resumable_data.reading.documents import Documents
from resumable_data.reading.measuring import KnownLengths, MeasuredLengths, Measuring
from resumable_data.timing import Clocks, Work
from resumable_data.waits import Doing

LONG = 60.0


class Texts:
    """Document r has r tokens, or ``more`` than that; every third is dropped, and each lost one where it is asked."""

    def __init__(self, more: int = 0, *, truncates: bool = False) -> None:
        self.more = more
        self.truncates = truncates
        self.read_records: list[int] = []

    def read(self, indices: Int64Array) -> Documents:
        return Documents(indices.tolist())

    def read_tokens(self, indices: Int64Array) -> Documents:
        self.read_records += indices.tolist()
        records = [[0] * (index + self.more) for index in indices.tolist()]
        truncated = np.ones(len(indices), np.int64) if self.truncates else None
        return Documents(Ragged.from_records(records), truncated=truncated).keep(indices % 3 != 2)

    def measure(self, indices: Int64Array) -> DocumentLengths:
        return DocumentLengths(np.where(indices % 3 == 2, -1, indices + self.more))

    def name_of(self, index: int) -> str:
        return f"record {index}"


def window(*documents: tuple[int, int]) -> DocumentPlan:
    """A window of documents, each a reader and a record."""
    return DocumentPlan(*np.array(documents, np.int64).reshape(-1, 2).T)


WINDOWS = [window((0, 3), (1, 4), (0, 5)), window(), window((1, 1), (1, 0))]
EXPECTED = [[3, 104, -1], [], [101, 100]]


def tokens(lengths: Sequence[DocumentLengths]) -> list[list[int]]:
    return [of_window.tokens.tolist() for of_window in lengths]


def measured(
    readers: Sequence[Texts], exchange: LengthExchange | None = None, kept_bytes: int = 10**6, keys: str = "xy"
) -> tuple[Measuring, MeasuredLengths]:
    measuring = Measuring(exchange, kept_bytes)
    cached = [measuring.keep(reader, name) for reader, name in zip(readers, ("web", "code"), strict=False)]
    return measuring, measuring.lengths(cached, dict(enumerate(keys)), "*")


def test_known_lengths_come_from_the_readers() -> None:
    known = KnownLengths([Texts(), Texts(100)])

    assert known.known
    assert tokens(known.measure(WINDOWS, [0, 1, 2])) == EXPECTED
    assert tokens(known.measure(WINDOWS[:1], [0])) == EXPECTED[:1]


def test_known_lengths_are_asked_for_in_one_call_a_reader() -> None:
    calls: list[list[int]] = []

    class Noting(Texts):
        def measure(self, indices: Int64Array) -> DocumentLengths:
            calls.append(indices.tolist())
            return super().measure(indices)

    KnownLengths([Noting(), Noting(100)]).measure(WINDOWS, [0, 1, 2])
    assert calls == [[3, 5], [4, 1, 0]]


def test_known_lengths_run_nothing_ahead() -> None:
    KnownLengths([]).run_ahead(lambda: pytest.fail("nothing is to be run"))


def test_other_lengths_show_when_documents_are_read_and_each_is_read_once() -> None:
    readers = [Texts(), Texts(100)]
    measuring, lengths = measured(readers)

    assert not lengths.known
    assert tokens(lengths.measure(WINDOWS, [0, 0, 1])) == EXPECTED
    assert tokens(lengths.measure(WINDOWS, [0, 0, 1])) == EXPECTED
    assert [sorted(reader.read_records) for reader in readers] == [[3, 5], [0, 1, 4]]
    assert measuring.cache.bytes > 0


def test_what_was_truncated_is_told_where_one_reader_truncates() -> None:
    _, lengths = measured([Texts(), Texts(100, truncates=True)])
    (found,) = lengths.measure([window((0, 3), (1, 4), (1, 5))], [0])

    assert found.counts is not None
    assert found.counts.tolist() == [[0, 0], [1, 0], [0, 0]]
    assert lengths.measure([window((0, 3))], [0])[0].counts is None


def test_a_group_that_is_complete_is_told_to_the_readers_of_the_pack_alone() -> None:
    """Documents of web are packed in groups of their own: those of code do not count."""
    web, code = Texts(), Texts(100)
    measuring = Measuring(None, 10**6)
    readers = [measuring.keep(web, "web"), measuring.keep(code, "code")]
    of_web = measuring.lengths(readers, {0: "x"}, "web")
    of_code = measuring.lengths(readers, {1: "y"}, "code")
    of_code.measure([window((1, 7))], [0])
    for record in (3, 4):
        of_web.measure([window((0, record))], [0])
        of_web.expect(RowPlan.empty(0))

    readers[0].read_tokens(np.array([4]))  # the second group of web: what was read for the first is dropped
    of_code.measure([window((1, 9))], [0])
    readers[1].read_tokens(np.array([9]))
    readers[1].read_tokens(np.array([7]))
    assert (web.read_records, code.read_records) == ([3, 4], [7, 9])


def test_processes_measure_the_windows_of_their_own_shards() -> None:
    board = Board()
    exchanges = [LengthExchange(MemoryCarrier(board), [0, 1], process, LONG) for process in range(2)]
    readers = [[Texts(), Texts(100)] for _ in range(2)]
    lengths = [measured(of, exchange)[1] for of, exchange in zip(readers, exchanges, strict=True)]
    found = outcomes([partial(each.measure, WINDOWS, [0, 0, 1]) for each in lengths])

    assert [tokens(of_process) for of_process in found] == [EXPECTED] * 2
    assert [[sorted(reader.read_records) for reader in of] for of in readers] == [[[3, 5], [4]], [[], [0, 1]]]


def test_windows_are_told_apart_by_readers_records_and_their_order() -> None:
    _, lengths = measured([Texts(), Texts()])
    _, others = measured([Texts(), Texts()], keys="xz")
    _, same = measured([Texts(100), Texts()])
    windows = [
        window((0, 3), (1, 4)),
        window((1, 4), (0, 3)),
        window((0, 4), (1, 3)),
        window((0, 3), (0, 4)),
        window((0, 3)),
        window((0, 3), (1, 4), (1, 4)),
    ]
    keys = [lengths._key(one) for one in windows]

    assert len(set(keys)) == len(windows)
    assert [same._key(one) for one in windows] == keys
    assert [others._key(one) == key for one, key in zip(windows, keys, strict=True)] == [False] * 3 + [True] * 2 + [
        False
    ]


def test_a_task_that_is_run_ahead_has_a_thread_of_its_own() -> None:
    _, lengths = measured([Texts()])
    ran, names = Event(), list[str]()

    def task() -> None:
        names.append(current_thread().name)
        ran.set()

    lengths.run_ahead(task)
    assert ran.wait(LONG)
    assert names == ["resumable_data measure"]


def test_the_others_hear_of_no_error_in_a_task_that_is_run_ahead() -> None:
    class Torn(Texts):
        def read_tokens(self, indices: Int64Array) -> Documents:
            raise rd.RecordError("record 3 is torn")

    board = Board()
    _, lengths = measured([Torn()], LengthExchange(MemoryCarrier(board), [0], 0, LONG))
    ran = Event()

    def task() -> None:
        with pytest.raises(rd.RecordError):
            lengths.measure([window((0, 3))], [0])
        ran.set()

    lengths.run_ahead(task)
    assert ran.wait(LONG)
    assert board.keys == set()
    with pytest.raises(rd.RecordError):
        lengths.measure([window((0, 3))], [0])
    assert len(board.keys) == 1


def test_nothing_is_run_ahead_where_it_could_not_be_kept() -> None:
    # Document 3 takes 52 bytes, which is more than half of 100.
    measuring, lengths = measured([Texts()], kept_bytes=100)
    lengths.measure([window((0, 3))], [0])

    lengths.run_ahead(lambda: pytest.fail("there is no room"))
    assert measuring.cache.bytes == 52


def test_to_close_ends_waits_for_others_and_drops_what_is_kept() -> None:
    exchange = LengthExchange(MemoryCarrier(Board()), [1], 0, LONG)
    measuring, lengths = measured([Texts(), Texts(100)], exchange)
    measuring.cache.add(Texts(), "other").measure(np.array([3]))
    measuring.close()

    assert measuring.cache.bytes == 0
    with pytest.raises(ExchangeClosedError):
        lengths.measure(WINDOWS, [0, 0, 0])


def test_to_close_ends_the_threads_and_no_other_begins() -> None:
    exchange = LengthExchange(MemoryCarrier(Board()), [1], 0, LONG)
    measuring, _ = measured([Texts(), Texts(100)], exchange)
    ended = Event()

    def task() -> None:
        assert exchange._closing.wait(LONG)
        ended.set()

    measuring.run_ahead(task)
    measuring.close()
    assert ended.wait(20)
    measuring.run_ahead(lambda: pytest.fail("it is closed"))


def test_a_task_that_is_run_ahead_counts_for_the_iterator_that_asks() -> None:
    measuring, _ = measured([Texts()])
    ticks = count()
    clocks = Clocks(lambda: float(next(ticks)))

    def task() -> None:
        with Doing(str, Work.READING):
            pass

    with clocks.running():
        measuring.run_ahead(task)
    for thread in measuring._threads:
        thread.join(LONG)

    assert clocks.seconds(Work.READING) > 0
    assert clocks.seconds(Work.PLANNING) > 0
