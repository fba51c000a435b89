"""How documents are measured: by whom, how often they are read, and that it decides no order."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.memory_carrier import Board, MemoryCarrier
from property_tests.testing.running import through_json
from resumable_data.engines.worker import Worker
from resumable_data.placement.process_rows_view import ProcessRows
from resumable_data.placement.views import WholeBatch
from resumable_data.processes.service_carrier import ServiceCarrier
from resumable_data.stages.measure import Sharing

ALONE = Worker(0, 1)


class Books:
    """Documents of some tokens each, whose lengths show only when they are read, which is counted."""

    def __init__(self, count: int = 200, tokens: int = 40) -> None:
        self.reads = np.zeros(count, np.int64)
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.reads)

    def __repr__(self) -> str:
        return "books"

    def fingerprint(self) -> str:
        return f"books of {self.tokens} tokens"

    def read(self, indices: np.ndarray) -> list[Any]:
        np.add.at(self.reads, indices, 1)
        return [np.full(self.tokens + index % 7, index + 1, np.int32) for index in indices.tolist()]


def batches(source: Books, epochs: int | None = 1) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(source, name="books").shuffle(1).repeat(epochs)
    return documents.pack(64, eod_id=0, window=8).batch(8, shards=4)


def texts(iterator: Any, count: int | None = None) -> list[Any]:
    return [batch.targets.tolist() for batch in islice(iterator, count)]


@pytest.mark.parametrize("settings", [{"kept_bytes": -1}, {"timeout_seconds": -0.5}])
def test_negative_numbers_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(rd.PipelineError, match=f"measure: .*{next(iter(settings))}={next(iter(settings.values()))}"):
        batches(Books()).measure(**settings)


def test_it_follows_batch_and_comes_before_prefetch() -> None:
    with pytest.raises(rd.PipelineError, match="measure works on batches and comes after batch"):
        rd.Dataset.from_source(Books()).pack(8, eod_id=0).measure()
    with pytest.raises(rd.PipelineError, match="measure comes before prefetch"):
        batches(Books()).prefetch().measure()


def test_a_process_alone_measures_all_and_exchanges_nothing() -> None:
    assert Sharing().exchange(WholeBatch(), 8, 4, ALONE) is None
    assert Sharing().exchange(ProcessRows(1, 2), 8, 4, ALONE) is None


@pytest.mark.parametrize(
    ("index", "count", "worker", "own"),
    [
        (0, 1, ALONE, [0, 1, 2, 3]),
        (0, 2, ALONE, [0, 1]),
        (1, 2, ALONE, [2, 3]),
        (1, 2, Worker(0, 2), [2]),
        (1, 2, Worker(1, 2), [3]),
    ],
)
def test_a_directory_lets_each_measure_its_share(
    tmp_path: Path, index: int, count: int, worker: Worker, own: list[int]
) -> None:
    exchange = Sharing(tmp_path, timeout_seconds=0).exchange(ProcessRows(index, count), 8, 4, worker)
    assert exchange is not None
    calls: list[list[int]] = []

    def measure(places: np.ndarray) -> list[Any]:
        calls.append(places.tolist())
        return [(np.full(2, place), None) for place in places]

    found = exchange.share(list("abcd"), range(4), measure, [2] * 4, "books")

    assert [lengths.tolist() for lengths, _ in found] == [[place] * 2 for place in range(4)]
    # What nobody else has published in time is measured in the second call.
    assert calls == [part for part in (own, [place for place in range(4) if place not in own]) if part]


class Idle(ProcessRows):
    """A process without rows of the batches of processes 1 and 3."""

    sharers = (1, 3)
    place = 2


def test_a_process_that_delivers_nothing_listens_to_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    monkeypatch.setattr(ServiceCarrier, "here", lambda: MemoryCarrier(board))
    calls: list[list[int]] = []

    def measure(places: np.ndarray) -> list[Any]:
        calls.append(places.tolist())
        return [(np.full(2, place), None) for place in places]

    for view in (ProcessRows(0, 2, (1, 3)), ProcessRows(1, 2, (1, 3)), Idle(0, 2)):
        exchange = Sharing(timeout_seconds=0).exchange(view, 8, 4, ALONE)
        assert exchange is not None
        exchange.share(list("abcd"), range(4), measure, [2] * 4, "books")
    # The first does not wait for the second; the last has nothing to measure.
    assert calls == [[0, 1], [2, 3], [2, 3]]


def test_each_document_is_read_once() -> None:
    source = Books()
    source.reads[:] = 0
    with iter(batches(source)) as iterator:
        texts(iterator)

    assert source.reads.tolist() == [1] * 200


def test_what_does_not_fit_is_read_twice_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    roomy, tight = Books(), Books()
    expected = texts(iter(batches(roomy, epochs=3)))
    tight.reads[:] = 0
    with caplog.at_level(logging.WARNING), iter(batches(tight, epochs=3).measure(kept_bytes=2048)) as iterator:
        assert texts(iterator) == expected

    assert 3 * 200 < tight.reads.sum() <= 2 * 3 * 200
    (record,) = caplog.records
    assert "component 'books': documents are read twice" in record.getMessage()
    assert "kept_bytes=" in record.getMessage()


def test_nothing_is_kept_where_nothing_may_be() -> None:
    source = Books()
    expected = texts(iter(batches(source)))
    source.reads[:] = 0
    with iter(batches(source).measure(kept_bytes=0)) as iterator:
        assert texts(iterator) == expected

    assert source.reads.max() == 2


def test_a_directory_makes_a_resume_read_nothing_but_what_it_delivers(tmp_path: Path) -> None:
    first = iter(batches(Books()).measure(tmp_path))
    expected = texts(first, 2)
    state = through_json(first.get_state())
    expected = texts(first)
    first.close()
    source = Books()
    resumed = iter(batches(source).measure(tmp_path))
    source.reads[:] = 0
    resumed.set_state(state)
    assert source.reads.sum() == 0

    assert texts(resumed) == expected
    assert source.reads.max() == 1
    assert source.reads.sum() < 200


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_processes_that_share_a_directory_have_the_same_order_and_the_same_state(tmp_path: Path, count: int) -> None:
    whole, expected = iter(batches(Books())), list[Any]()
    states: list[Any] = []
    for batch in whole:
        expected.append(batch.targets.tolist())
        states.append(whole.get_state())
    for index in range(count):
        shard = batches(Books()).measure(tmp_path, timeout_seconds=0).shard(index, count)
        with iter(shard) as iterator:
            for step, batch in enumerate(iterator):
                rows = slice(8 // count * index, 8 // count * (index + 1))
                assert batch.targets.tolist() == expected[step][rows]
                assert iterator.get_state() == states[step]
            assert iterator.step == len(expected)


def test_documents_that_read_otherwise_than_was_said_are_an_error(tmp_path: Path) -> None:
    texts(iter(batches(Books()).measure(tmp_path)))

    class Other(Books):
        def read(self, indices: np.ndarray) -> list[Any]:
            return [document[:-1] for document in super().read(indices)]

    with pytest.raises(rd.RecordError, match="books"):
        texts(iter(batches(Other()).measure(tmp_path)))


@pytest.mark.parametrize(
    "settings",
    [{}, {"truncate": True}, {"truncate": "left"}, {"length": 20}, {"truncate": True, "drop_unscored": True}],
)
def test_a_directory_serves_pipelines_that_cut_and_drop_otherwise(tmp_path: Path, settings: dict[str, Any]) -> None:
    records = [{"tokens": [*range(1, 20 + n)], "loss_mask": [0] * 30 + [1] * n} for n in range(40)]
    records = [{name: values[: len(one["tokens"])] for name, values in one.items()} for one in records]
    documents = rd.Dataset.from_source(rd.InMemorySource(records), name="chats")

    def data(**given: Any) -> rd.Dataset[rd.LLMBatch]:
        given = {"length": 32, "truncate": True} | given
        return documents.pack(given.pop("length"), eod_id=0, loss_mask="loss_mask", window=8, **given).batch(4)

    assert list(data().measure(tmp_path))
    assert texts(data(**settings).measure(tmp_path)) == texts(data(**settings))


def test_measuring_is_no_part_of_the_state(tmp_path: Path) -> None:
    plain = iter(batches(Books())).get_state()

    assert iter(batches(Books()).measure(tmp_path, kept_bytes=5, timeout_seconds=1)).get_state() == plain
