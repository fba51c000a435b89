import json
import warnings

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json

RECORDS = [[10 * number + place for place in range(3)] for number in range(1, 21)]


class Faulty(rd.InMemorySource):
    """Reading fails with an error while it is set and the record is asked for."""

    def __init__(self, record: int, error: Exception | None) -> None:
        super().__init__(RECORDS)
        self.record, self.error = record, error

    def read(self, indices: np.ndarray) -> list[object]:
        if getattr(self, "error", None) is not None and self.record in indices:
            raise self.error
        return super().read(indices)

    def lengths(self, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), 3)

    def fingerprint(self) -> str:
        return "faulty"


class FaultyLengths(Faulty):
    """The lengths cannot be had either."""

    def lengths(self, indices: np.ndarray) -> np.ndarray:
        self.read(indices)
        return super().lengths(indices)


def batches(source: rd.InMemorySource | None = None, window: int = 4) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(source or rd.InMemorySource(RECORDS))
    return documents.pack(3, window=window, eod_id=0, strategy="first_fit").batch(2)


def first_tokens(batch: rd.LLMBatch) -> list[int]:
    return batch.targets[:, 0].tolist()


def test_step_is_the_number_of_batches_delivered() -> None:
    iterator = iter(batches())

    assert [iterator.step for _ in iterator] == list(range(1, 11))
    assert iterator.step == 10


def test_an_iterator_is_its_own_iterator() -> None:
    iterator = iter(batches())
    next(iterator)

    assert iter(iterator) is iterator
    assert iterator.step == 1


def test_a_pipeline_can_be_iterated_any_number_of_times() -> None:
    data = batches()

    assert [first_tokens(batch) for batch in data] == [first_tokens(batch) for batch in data]


def test_peeking_does_not_move() -> None:
    iterator = iter(batches())
    next(iterator)
    state = iterator.get_state()

    assert first_tokens(iterator.peek()) == first_tokens(iterator.peek()) == [30, 40]
    assert (iterator.step, iterator.get_state()) == (1, state)
    assert first_tokens(next(iterator)) == [30, 40]
    assert first_tokens(next(iterator)) == [50, 60]


def test_what_was_peeked_is_forgotten_when_a_state_is_set() -> None:
    iterator = iter(batches())
    state = iterator.get_state()
    next(iterator)
    iterator.peek()
    iterator.set_state(state)

    assert first_tokens(next(iterator)) == [10, 20]


def test_peeking_at_the_end_says_so() -> None:
    iterator = iter(batches())
    list(iterator)

    with pytest.raises(StopIteration):
        iterator.peek()


def test_the_end_stays_the_end_until_a_state_is_set() -> None:
    iterator = iter(batches())
    state = iterator.get_state()

    assert len(list(iterator)) == 10
    assert list(iterator) == []
    iterator.set_state(state)
    assert len(list(iterator)) == 10


@pytest.mark.parametrize("window", [1, 3, 20, 4096])
def test_the_state_at_the_end_can_be_restored(window: int) -> None:
    iterator = iter(batches(window=window))
    list(iterator)
    resumed = iter(batches(window=window))
    resumed.set_state(through_json(iterator.get_state()))

    assert list(resumed) == []
    assert resumed.step == 10


def test_a_closed_iterator_says_so_and_still_gives_its_state() -> None:
    iterator = iter(batches())
    next(iterator)
    state = iterator.get_state()
    iterator.close()
    iterator.close()

    assert iterator.get_state() == state
    assert iterator.step == 1
    for use in (iterator.__next__, iterator.peek):
        with pytest.raises(ValueError, match="this iterator is closed"):
            use()


def test_leaving_a_context_closes() -> None:
    with iter(batches()) as iterator:
        next(iterator)

    with pytest.raises(ValueError, match="this iterator is closed"):
        next(iterator)


@pytest.mark.parametrize("prefetch", [None, 4])
def test_a_bad_record_leaves_the_position_in_front_of_its_batch(prefetch: int | None) -> None:
    source = Faulty(8, rd.RecordError("record 8 is bad"))
    iterator = iter(batches(source) if prefetch is None else batches(source).prefetch(prefetch))
    delivered = [first_tokens(next(iterator)) for _ in range(4)]
    state = iterator.get_state()
    for _ in range(3):
        with pytest.raises(rd.RecordError, match="record 8 is bad"):
            next(iterator)
        with pytest.raises(rd.RecordError, match="record 8 is bad"):
            iterator.peek()
        assert (iterator.step, iterator.get_state()) == (4, state)
    source.error = None
    delivered += [first_tokens(batch) for batch in iterator]

    assert delivered == [first_tokens(batch) for batch in batches()]


@pytest.mark.parametrize("error", [OSError("disk"), KeyError("key"), rd.SourceError("file")])
def test_any_other_error_loses_nothing_either(error: Exception) -> None:
    source = Faulty(8, error)
    iterator, delivered, failures = iter(batches(source)), [], 0
    while len(delivered) < 10:
        try:
            delivered.append(first_tokens(next(iterator)))
        except type(error):
            failures += 1
            if len(delivered) == 4:
                source.error = None
        assert iterator.step == len(delivered)
        assert failures < 10

    assert delivered == [first_tokens(batch) for batch in batches()]
    assert failures > 0


@pytest.mark.parametrize("prefetch", [None, 4])
def test_batches_in_front_of_a_window_that_cannot_be_planned_are_delivered(prefetch: int | None) -> None:
    source = FaultyLengths(8, rd.SourceError("the lengths cannot be read"))
    iterator = iter(batches(source) if prefetch is None else batches(source).prefetch(prefetch))
    delivered = [first_tokens(next(iterator)) for _ in range(4)]
    with pytest.raises(rd.SourceError, match="the lengths cannot be read"):
        next(iterator)
    assert iterator.step == 4
    source.error = None
    delivered += [first_tokens(batch) for batch in iterator]

    assert delivered == [first_tokens(batch) for batch in batches()]


def test_a_state_is_a_copy() -> None:
    iterator = iter(batches())
    state = iterator.get_state()
    text = json.dumps(state)
    next(iterator)

    assert json.dumps(state) == text
    state["components"]["data"].clear()
    state["stages"].clear()
    assert first_tokens(next(iterator)) == [30, 40]
    assert iterator.get_state()["stages"]


def test_the_description_is_for_people() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource(RECORDS), name="web").shuffle(7).repeat(2)
    description = iter(documents.pack(8, eod_id=0).batch(4).prefetch(2)).description()

    assert [stage["stage"] for stage in description["components"]["web"]] == ["source", "shuffle", "repeat", "pack"]
    assert description["shared"] == [{"stage": "batch", "size": 4, "drop_remainder": True}]
    assert description["algorithms"] == {"best_fit": 1, "permutation": 1}
    assert json.loads(json.dumps(description)) == description


@pytest.mark.parametrize("known", [True, False])
def test_data_that_ends_before_the_first_batch_is_worth_a_warning(known: bool) -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource(RECORDS))
    documents = documents if known else documents.map(list, name="as a list")
    rows = documents.pack(6, eod_id=0)

    with pytest.warns(UserWarning, match="there is no batch: the data has 10 rows"):
        assert list(rows.batch(16)) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(rows.batch(16, drop_remainder=False))) == 1
        assert len(list(rows.batch(8))) == 1


def test_a_reset_begins_anew_in_any_place() -> None:
    expected = [first_tokens(batch) for batch in batches()]
    with iter(batches().prefetch(2)) as iterator:
        for taken in (0, 1, 4, 10):
            for _ in range(taken):
                next(iterator)
            iterator.peek() if taken == 4 else None
            iterator.reset()
            assert (iterator.step, iterator.edits) == (0, ())
        iterator.skip(2)
        iterator.reset()
        assert iterator.get_state() == iter(batches()).get_state()
        assert [first_tokens(batch) for batch in iterator] == expected


def test_a_reset_forgets_the_shards_of_a_run_that_went_on() -> None:
    def text(shards: int | None) -> rd.Dataset[rd.LLMBatch]:
        documents = rd.Dataset.from_source(rd.InMemorySource(RECORDS)).filter(len)
        return documents.pack(3, window=4, eod_id=0).batch(2, shards=shards)

    iterator = iter(text(None))
    iterator.set_state(through_json(iter(text(1)).get_state()))
    iterator.reset()
    assert iterator.get_state() == iter(text(None)).get_state()


def test_trainers_of_pytorch_find_their_names() -> None:
    iterator = iter(batches())
    next(iterator)
    state = through_json(iterator.state_dict())
    expected = [first_tokens(batch) for batch in iterator]
    fresh = iter(batches())
    fresh.load_state_dict(state)
    assert [first_tokens(batch) for batch in fresh] == expected
