from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.engines.worker import Worker


def batches() -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.SyntheticSource(60, lengths=[3, 5, 9, 17])).shuffle(seed=3)
    return documents.pack(16, eod_id=0, window=20).batch(rd.BatchSchedule(2, factors={4: 2}))


def iterator_of(worker: Worker, pipeline: rd.Dataset[Any]) -> rd.DataIterator[Any]:
    return pipeline._iterator(worker)


def texts(iterator: Any) -> list[Any]:
    return [None if batch is None else batch.targets.tolist() for batch in iterator]


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_each_element_is_delivered_by_one_worker_in_turn(count: int) -> None:
    expected = texts(batches())
    assert len(expected) > 8
    for index in range(count):
        found = texts(iterator_of(Worker(index, count), batches()))
        assert found == [text if step % count == index else None for step, text in enumerate(expected)]


def test_the_state_of_a_worker_is_that_of_the_pipeline() -> None:
    own, worker = iter(batches()), iterator_of(Worker(1, 3), batches())
    for _ in own:
        next(worker)
        assert worker.get_state() == own.get_state()
        assert worker.progress() == own.progress()
    assert list(worker) == []


def test_a_worker_goes_on_from_a_state_of_the_pipeline() -> None:
    own = iter(batches())
    for _ in range(4):
        next(own)
    state = through_json(own.get_state())
    expected = texts(own)

    worker = iterator_of(Worker(0, 2), batches())
    for _ in range(2):
        worker.set_state(state)
        assert texts(worker) == [text if step % 2 == 0 else None for step, text in enumerate(expected)]


def test_nothing_is_read_of_what_others_deliver() -> None:
    asked: list[int] = []

    def noted(document: list[int]) -> list[int]:
        asked.append(document[0])
        return document

    source = rd.InMemorySource([[number, number] for number in range(12)])
    mapped = rd.Dataset.from_source(source).map(noted, name="noted", preserves_length=True)
    worker = iterator_of(Worker(1, 3), mapped.pad(2, eod_id=0).batch(2))

    assert [text for text in texts(worker) if text] == [[[2, 2], [3, 3]], [[8, 8], [9, 9]]]
    assert asked == [2, 3, 8, 9]


def test_a_skip_counts_in_every_worker() -> None:
    own, worker = iter(batches()), iterator_of(Worker(1, 2), batches())
    for iterator in (own, worker):
        next(iterator)
        iterator.skip(2, at=3)

    assert texts(worker) == [text if step % 2 == 0 else None for step, text in enumerate(texts(own))]
