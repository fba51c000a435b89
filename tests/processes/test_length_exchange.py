"""Processes share the measuring of windows; threads pass for processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.coordination import outcomes
from property_tests.testing.memory_carrier import Board, MemoryCarrier
from resumable_data.arrays import Int64Array
from resumable_data.delivered import COUNTED
from resumable_data.processes.carriers import Carrier
from resumable_data.processes.directory_carrier import DirectoryCarrier
from resumable_data.processes.failures import encode_failure
from resumable_data.processes.length_codec import Lengths
from resumable_data.processes.length_exchange import ExchangeClosedError, LengthExchange
from resumable_data.processes.published import Published
from resumable_data.timing import Clocks, Work

LONG, SHORT = 60.0, 0.2
WHAT = "web"


def window(group: int, place: int) -> Lengths:
    """What a window holds, of which something is counted in every other."""
    lengths = np.arange(-1, 3 + place, dtype=np.int64) + 100 * group
    return lengths, np.repeat(lengths[:, None] + 1, len(COUNTED), axis=1) if place % 2 else None


@dataclass
class Process:
    """One process: what it measures, and what comes of it.

    Attributes:
        exchange: Its exchange.
        measured: The places of each call of ``measure``.
        error: What ``measure`` raises, if anything.
        meanwhile: Is told the places whenever some are measured.
        meanwhile: Called with the places whenever some are measured.
    """

    exchange: LengthExchange
    measured: list[list[int]] = field(default_factory=list[list[int]])
    error: BaseException | None = None
    meanwhile: Callable[[list[int]], Any] = list

    def share(self, group: int, windows: int, *, what: str = WHAT, ahead: bool = False) -> list[Any]:
        def measure(places: Int64Array) -> list[Lengths]:
            self.measured.append(places.tolist())
            self.meanwhile(places.tolist())
            if self.error is not None:
                raise self.error
            return [window(group, place) for place in places.tolist()]

        keys = [f"{what} {group} {place}" for place in range(windows)]
        shards = len(self.exchange._speakers)
        of_shards = [place * shards // windows for place in range(windows)]
        counts = [len(window(group, place)[0]) for place in range(windows)]
        return plain(self.exchange.share(keys, of_shards, measure, counts, what, ahead=ahead))


def plain(windows: Sequence[Lengths]) -> list[Any]:
    return [(lengths.tolist(), None if cut is None else cut.tolist()) for lengths, cut in windows]


def expected(group: int, windows: int) -> list[Any]:
    return plain([window(group, place) for place in range(windows)])


def processes(
    speakers: Sequence[int], carrier: Callable[[int], Carrier], published: Published | None = None, **times: float
) -> list[Process]:
    times = {"timeout_seconds": LONG, **times}
    count = max(speakers) + 1
    kept = published or Published()
    return [
        Process(LengthExchange(carrier(process), speakers, process, published=kept, **times))
        for process in range(count)
    ]


def on_board(speakers: Sequence[int], board: Board, **times: float) -> list[Process]:
    return processes(speakers, lambda _: MemoryCarrier(board), **times)


def carrier_of(process: Process) -> MemoryCarrier:
    carrier = process.exchange._carrier
    assert isinstance(carrier, MemoryCarrier)
    return carrier


@pytest.fixture(params=["memory", "lasting memory", "directory"])
def carrier(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], Carrier]:
    if request.param == "directory":
        return lambda _: DirectoryCarrier(tmp_path / "facts")
    board = Board(lasting=request.param == "lasting memory")
    return lambda _: MemoryCarrier(board)


def test_each_window_is_measured_once_and_all_know_all(carrier: Callable[[int], Carrier]) -> None:
    run = processes([0, 0, 1, 2], carrier)
    for group in range(4):
        assert outcomes([partial(process.share, group, 4) for process in run]) == [expected(group, 4)] * 3
    assert [process.measured for process in run] == [[[0, 1]] * 4, [[2]] * 4, [[3]] * 4]


@given(st.data())
def test_any_shards_on_any_processes(data: st.DataObject) -> None:
    shards = data.draw(st.integers(1, 8))
    speakers = data.draw(st.lists(st.integers(0, 3), min_size=shards, max_size=shards))
    windows = data.draw(st.integers(1, 12))
    run = on_board(speakers, Board())
    found = outcomes([partial(process.share, 0, windows) for process in run])
    assert found == [expected(0, windows)] * len(run)
    measured = [place for process in run for places in process.measured for place in places]
    assert sorted(measured) == list(range(windows))


def test_a_directory_of_an_earlier_run_measures_nothing(tmp_path: Path) -> None:
    directory = DirectoryCarrier(tmp_path)
    (first,) = processes([0], lambda _: directory)
    assert first.share(0, 3) == expected(0, 3)
    # In a run of other processes, and alone.
    again = processes([0, 1, 2], lambda _: directory)[2]
    assert again.share(0, 3) == expected(0, 3)
    assert again.measured == []


def test_a_damaged_fact_is_measured_again(tmp_path: Path) -> None:
    directory = DirectoryCarrier(tmp_path)
    (first,) = processes([0], lambda _: directory)
    first.share(0, 3)
    directory.publish("", {f"{WHAT} 0 1": b"\x01\x80"})
    (second,) = processes([0], lambda _: directory)
    assert second.share(0, 3) == expected(0, 3)
    assert second.measured == [[1]]
    (third,) = processes([0], lambda _: directory)
    assert third.share(0, 3) == expected(0, 3)
    assert third.measured == []


@pytest.mark.parametrize("lasting", [False, True])
def test_who_runs_alone_measures_all_and_waits_once(lasting: bool, caplog: pytest.LogCaptureFixture) -> None:
    alone = on_board([0, 1, 2], Board(lasting), timeout_seconds=SHORT)[1]
    with caplog.at_level(logging.WARNING):
        assert alone.share(0, 3) == expected(0, 3)
        waits = carrier_of(alone).calls["wait"]
        for group in (1, 2):
            assert alone.share(group, 3) == expected(group, 3)
    assert waits > 0
    assert carrier_of(alone).calls["wait"] == waits
    assert alone.measured == [[1], [0, 2]] * 3
    assert caplog.messages == [
        "web: lengths of process 0, 2 did not come in time and are measured here, until it is heard again"
    ]


def test_what_is_measured_for_others_lasts(tmp_path: Path) -> None:
    def here(_: int) -> Carrier:
        return DirectoryCarrier(tmp_path)

    processes([0, 1], here, timeout_seconds=SHORT)[0].share(0, 2)
    later = processes([0, 1], here)[0]
    assert later.share(0, 2) == expected(0, 2)
    assert later.measured == []


def test_who_is_heard_again_is_waited_for_again() -> None:
    board = Board()
    first, second = on_board([0, 1], board, timeout_seconds=SHORT)
    first.share(0, 2)
    second.share(0, 2)
    second.share(1, 2)
    # The silent one has spoken before the first process looks.
    assert first.share(1, 2) == expected(1, 2)
    assert first.measured == [[0], [1], [0]]
    first.share(2, 2)
    assert carrier_of(first).calls["wait"] > 1


def test_who_speaks_while_it_is_stood_in_for_is_waited_for_again() -> None:
    first, second = on_board([0, 1], Board(), timeout_seconds=SHORT)
    first.share(0, 2)
    waits = carrier_of(first).calls["wait"]
    first.meanwhile = lambda places: second.share(1, 2) if places == [1] else None
    first.share(1, 2)
    assert carrier_of(first).calls["wait"] == waits
    first.share(2, 2)
    assert carrier_of(first).calls["wait"] > waits


def test_only_those_that_are_missing_are_measured_for_others() -> None:
    first, _, third = on_board([0, 1, 2], Board(), timeout_seconds=SHORT)
    third.share(0, 3)
    first.share(0, 3)
    assert first.measured == [[0], [1]]


def test_who_speaks_while_another_is_waited_for_in_vain_is_heard() -> None:
    board = Board()
    first, _, third = on_board([0, 1, 2], board, timeout_seconds=SHORT)

    class Watched(MemoryCarrier):
        def wait(self, group: str, key: str, seconds: float, closing: Event) -> bytes | None:
            third.share(0, 3)
            return super().wait(group, key, seconds, closing)

    third.exchange._silent = {0, 1}
    first.exchange._carrier = Watched(board)
    first.share(0, 3)
    assert first.measured == [[0], [1]]
    assert first.exchange._silent == {1}


def test_the_log_says_who_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    first, _, third = on_board([0, 1, 2], Board(), timeout_seconds=SHORT, warn_after_seconds=SHORT / 4)
    with caplog.at_level(logging.WARNING, logger="resumable_data"):
        third.share(0, 3)
        caplog.clear()
        first.share(0, 3)
    assert caplog.messages.count("web: waiting for the lengths of documents of process 1") == 1


def test_the_others_hear_why_a_process_cannot_measure_until_it_can(carrier: Callable[[int], Carrier]) -> None:
    first, second = processes([0, 1, 1], carrier)
    second.error = rd.RecordError("record 7 is torn")
    failed: list[Any] = []
    first.meanwhile = lambda places: failed.extend(outcomes([partial(second.share, 0, 3)]))
    (heard,) = outcomes([partial(first.share, 0, 3)])

    assert failed == [second.error]
    assert isinstance(heard, rd.PeerError)
    assert str(heard) == "web: process 1 cannot measure its share of the documents:\n  RecordError: record 7 is torn"
    # A retry of the owner takes the place of the failure, and who heard of it once waits for that.
    second.error, first.meanwhile = None, list
    assert outcomes([partial(process.share, 0, 3) for process in (first, second)]) == [expected(0, 3)] * 2
    assert {place for places in first.measured for place in places} == {0}


def test_who_comes_late_hears_of_a_failure_too() -> None:
    first, second = on_board([0, 1], Board())
    second.error = rd.RecordError("record 7 is torn")
    failed, heard = outcomes([partial(second.share, 0, 2)]) + outcomes([partial(first.share, 0, 2)])
    assert failed is second.error
    assert isinstance(heard, rd.PeerError)
    # It fails once more, which is another failure.
    failed, heard = outcomes([partial(second.share, 0, 2)]) + outcomes([partial(first.share, 0, 2)])
    assert failed is second.error
    assert isinstance(heard, rd.PeerError)


def test_nobody_is_told_of_an_error_in_what_is_measured_ahead() -> None:
    board = Board()
    (first,) = on_board([0], board)
    first.error = rd.RecordError("record 7 is torn")
    assert outcomes([partial(first.share, 0, 2, ahead=True)]) == [first.error]
    assert board.keys == set()


def test_who_hears_of_a_failure_ahead_hears_of_it_again_once_it_waits() -> None:
    first, second = on_board([0, 1], Board())
    second.error = rd.RecordError("record 7 is torn")
    outcomes([partial(second.share, 0, 2)])
    for ahead in (True, False):
        (heard,) = outcomes([partial(first.share, 0, 2, ahead=ahead)])
        assert isinstance(heard, rd.PeerError)
        assert "RecordError: record 7 is torn" in str(heard)


def test_nobody_is_stood_in_for_ahead_but_those_who_are_silent() -> None:
    first, second = on_board([0, 1], Board(), timeout_seconds=SHORT)
    (late,) = outcomes([partial(first.share, 0, 2, ahead=True)])
    assert str(late) == "web: lengths of process 1 are not there yet"
    assert first.measured == [[0]]
    second.share(0, 2)
    assert first.share(0, 2) == expected(0, 2)
    assert first.measured == [[0], [0]]
    first.share(1, 2)
    assert first.share(2, 2, ahead=True) == expected(2, 2)
    assert first.measured[2:] == [[0], [1], [0], [1]]


def test_a_failure_of_an_earlier_run_counts_for_nothing(tmp_path: Path) -> None:
    directory = DirectoryCarrier(tmp_path)
    directory.publish("", {f"{WHAT} 0 {place}": encode_failure(place, OSError("full")) for place in range(2)})
    run = processes([0, 1], lambda _: directory)
    assert outcomes([partial(process.share, 0, 2) for process in run]) == [expected(0, 2)] * 2
    assert [process.measured for process in run] == [[[0]], [[1]]]


def test_the_others_hear_of_a_ctrl_c() -> None:
    first, second = on_board([0, 1], Board())
    second.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        second.share(0, 2)
    (heard,) = outcomes([partial(first.share, 0, 2)])
    assert isinstance(heard, rd.PeerError)
    assert "process 1 cannot measure its share of the documents:\n  KeyboardInterrupt" in str(heard)


def test_an_error_in_what_is_measured_for_others_is_not_theirs() -> None:
    board = Board()
    first, _ = on_board([1, 0], board, timeout_seconds=SHORT)

    def fail(places: list[int]) -> None:
        if places == [0]:
            raise rd.RecordError("record 7 is torn")

    first.meanwhile = fail
    with pytest.raises(rd.RecordError):
        first.share(0, 2)
    assert board.keys == {f"{WHAT} 0 1-0"}


def test_lengths_of_other_documents_are_an_error() -> None:
    (process,) = on_board([0], Board())
    with pytest.raises(ValueError, match="web: window 0 has 5 documents, but 4 measured"):
        process.exchange.share(["a"], [0], lambda _: [window(0, 0)], [5], WHAT)


def test_facts_are_forgotten_some_groups_further() -> None:
    board = Board()
    first, second = on_board([0, 1], board)
    for group in range(20):
        outcomes([partial(process.share, group, 2) for process in (first, second)])
        outcomes([partial(process.share, group, 2, what="code") for process in (first, second)])
        left = range(max(0, group - 15), group + 1)
        expected_keys = {f"{what} {g} {own}-{own}" for what in (WHAT, "code") for g in left for own in range(2)}
        assert board.keys == expected_keys


def test_a_group_that_is_shared_again_pushes_none_out() -> None:
    board = Board()
    (process,) = on_board([0], board)
    for group in [0] + [1] * 20:
        process.share(group, 1)
    assert board.keys == {f"{WHAT} 0 0-0", f"{WHAT} 1 0-0"}


def test_a_directory_forgets_nothing() -> None:
    board = Board(lasting=True)
    (process,) = on_board([0], board)
    for group in range(20):
        process.share(group, 1)
    process.exchange.close()
    assert board.keys == {f"{WHAT} {group} 0" for group in range(20)}


def test_what_a_closed_exchange_leaves_goes_when_some_more_have_closed() -> None:
    board, published = Board(), Published()
    carrier = MemoryCarrier(board)
    for closing in range(8):
        (process,) = processes([0], lambda _: carrier, published)
        process.share(closing, 1)
        for _ in range(2):
            process.exchange.close()
        assert board.keys == {f"{WHAT} {group} 0-0" for group in range(max(0, closing - 3), closing + 1)}


def test_a_slower_process_gets_what_a_closed_one_has_left() -> None:
    fast, slow = on_board([0, 0, 1], Board(), timeout_seconds=SHORT)
    for group in range(2):
        fast.share(group, 3)
    fast.exchange.close()
    for group in range(2):
        assert slow.share(group, 3) == expected(group, 3)
    assert slow.measured == [[2], [2]]


def test_two_exchanges_of_a_process_do_not_delete_each_others_facts() -> None:
    board, published = Board(), Published()
    carrier = MemoryCarrier(board)
    (train,), (peek,) = (processes([0], lambda _: carrier, published) for _ in range(2))
    peek.share(0, 1)
    for group in range(17):
        train.share(group, 1)
    assert f"{WHAT} 0 0-0" in board.keys
    for group in range(1, 17):
        peek.share(group, 1)
    assert board.keys == {f"{WHAT} {group} 0-0" for group in range(1, 17)}


def test_a_process_does_not_delete_what_another_has_published_for_another_mesh() -> None:
    board = Board()
    of_each, on_one = on_board([0, 1], board), on_board([1, 1], board)
    of_each[0].share(0, 1)
    on_one[1].share(0, 1)
    for group in range(1, 20):
        of_each[0].share(group, 1)
    assert on_one[0].share(0, 1) == expected(0, 1)
    assert on_one[0].measured == []


def test_closing_ends_a_wait() -> None:
    board = Board()
    first, _ = on_board([0, 1], board)
    waiting = Event()

    class Watched(MemoryCarrier):
        def wait(self, group: str, key: str, seconds: float, closing: Event) -> bytes | None:
            waiting.set()
            closing.wait(seconds)
            return None

    first.exchange._carrier = Watched(board)

    def close() -> None:
        waiting.wait()
        first.exchange.close()

    error, _ = outcomes([partial(first.share, 0, 2), close])
    assert isinstance(error, ExchangeClosedError)
    assert str(error) == "this exchange of lengths of documents is closed"
    (again,) = outcomes([partial(first.share, 1, 2)])
    assert isinstance(again, ExchangeClosedError)
    assert first.measured == [[0]]


def test_who_closes_while_it_measures_publishes_nothing() -> None:
    board = Board()
    for error in (None, ValueError("the file is closed")):
        (process,) = on_board([0], board)
        process.meanwhile = lambda _, exchange=process.exchange: exchange.close()
        process.error = error
        with pytest.raises(ValueError, match="is closed") as raised:
            process.share(0, 1)
        assert isinstance(raised.value, ExchangeClosedError) == (error is None)
    assert board.keys == set()


@pytest.mark.parametrize("count", [64, 1000])
def test_what_one_process_moves_does_not_grow_with_the_others(count: int) -> None:
    shards = 64
    run = [
        # A warning looks once more.
        Process(LengthExchange(MemoryCarrier(board), range(shards), process, LONG, LONG, published=published))
        for board, published in [(Board(), Published())]
        for process in range(count)
    ]
    found = outcomes([partial(process.share, 0, shards) for process in run])
    assert found == [expected(0, shards)] * count
    of_all = sum(carrier_of(process).sent for process in run)
    for process in run:
        carrier = carrier_of(process)
        # Before the first wait, and after 1, 2, 4, 8, 16 and 32 of them.
        assert carrier.calls["find"] <= 7
        assert carrier.calls["wait"] <= shards
        assert carrier.received <= 8 * of_all


def test_waits_for_others_count_as_such_and_measuring_does_not() -> None:
    ticks = count()
    clocks = Clocks(lambda: float(next(ticks)))
    first, second = on_board([0, 1], Board())
    with clocks.running():
        assert outcomes([partial(second.share, 0, 2), partial(first.share, 0, 2)]) == [expected(0, 2)] * 2
        first.share(0, 2)  # in this thread

    assert clocks.seconds(Work.EXCHANGING) == 1.0
