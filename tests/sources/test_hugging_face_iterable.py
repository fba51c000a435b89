"""Streamed datasets of Hugging Face, through a pipeline and its states."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets.distributed import split_dataset_by_node

import resumable_data as rd
from property_tests.testing.running import through_json

pytestmark = pytest.mark.filterwarnings("ignore:.*is a stream:UserWarning")


def stream(count: int = 200) -> Any:
    records = [{"tokens": [1 + record] * (record % 7)} for record in range(count)]
    return datasets.Dataset.from_list(records).to_iterable_dataset(num_shards=4)


def tripled(dataset: Any) -> Any:
    return dataset.map(lambda record: {"tokens": record["tokens"] * 3})


STREAMS = {
    "plain": stream,
    "mapped": lambda: tripled(stream()),
    "filtered": lambda: stream().filter(lambda record: len(record["tokens"]) > 2),
    "interleaved": lambda: datasets.interleave_datasets([stream(50), stream(80)], probabilities=[0.5, 0.5], seed=1),
    "shards shuffled": lambda: stream().shuffle(seed=3, buffer_size=1),
    "repeated": lambda: stream(40).repeat(3),
    "of one of two nodes": lambda: split_dataset_by_node(stream(), rank=1, world_size=2),
}


def pipeline(dataset: Any) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(dataset, "tokens"), name="stream")
    return documents.append_eod(0).pack(16, window=16, eod_id=0).batch(2)


def content(batch: rd.LLMBatch) -> list[bytes]:
    return [np.asarray(getattr(batch, name)).tobytes() for name in ("inputs", "targets", "targets_segmentation")]


@pytest.mark.parametrize("kind", STREAMS)
def test_a_state_of_any_step_continues_exactly(kind: str) -> None:
    make = STREAMS[kind]
    iterator = iter(pipeline(make()))
    states, batches = [iterator.get_state()], []
    for batch in iterator:
        batches.append(content(batch))
        states.append(through_json(iterator.get_state()))
    assert len(batches) > 5
    used = iter(pipeline(make()))
    for step in (0, 1, 2, len(batches) // 2, len(batches) - 1, len(batches), 1):
        for target in (iter(pipeline(make())), used):
            target.set_state(states[step])
            assert [content(batch) for batch in target] == batches[step:]


def test_every_document_comes_once_and_in_order() -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(stream(), "tokens"))

    assert [list(document) for document in documents] == [record["tokens"] for record in stream()]


def test_prefetching_and_processes_change_nothing() -> None:
    whole = [batch.targets for batch in pipeline(stream())]
    ahead = [batch.targets for batch in pipeline(stream()).prefetch(3)]
    parts = [list(pipeline(stream()).shard(index, 2)) for index in range(2)]
    joined = [np.concatenate([part.targets for part in own]) for own in zip(*parts, strict=True)]

    np.testing.assert_array_equal(whole, ahead)
    np.testing.assert_array_equal(whole, joined)


def test_files_are_streamed(tmp_path: Path) -> None:
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"text": f"line {n}"}) + "\n" for n in range(30)))
    dataset = datasets.IterableDataset.from_generator(
        lambda: map(json.loads, (tmp_path / "text.jsonl").read_text().splitlines())
    )
    iterator = iter(rd.Dataset.from_source(rd.HuggingFaceIterableSource(dataset, "text")))
    taken = [next(iterator) for _ in range(12)]
    again = iter(rd.Dataset.from_source(rd.HuggingFaceIterableSource(dataset, "text")))
    again.set_state(through_json(iterator.get_state()))

    assert taken + list(again) == [f"line {n}" for n in range(30)]


def test_it_says_that_it_is_exempt() -> None:
    with pytest.warns(UserWarning, match="is a stream: all processes read all of it"):
        rd.HuggingFaceIterableSource(stream(), "tokens")


def test_a_shuffle_with_a_buffer_is_refused() -> None:
    for dataset in (stream().shuffle(seed=1, buffer_size=10), tripled(stream().shuffle(seed=1, buffer_size=10))):
        with pytest.raises(rd.PipelineError, match=r"shuffle\(buffer_size=10\) cannot be resumed exactly"):
            rd.HuggingFaceIterableSource(dataset, "tokens")


def test_it_cannot_be_shuffled_repeated_sharded_or_mixed() -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(stream(), "tokens"), name="web")
    for stage in (lambda: documents.shuffle(seed=1), documents.repeat):
        with pytest.raises(rd.PipelineError, match="'web' comes from an iterable without random access"):
            stage()
    with pytest.raises(rd.PipelineError, match="no logical shards"):
        iter(documents.pack(8, eod_id=0).batch(4, shards=2))
    for mixed in (documents, documents.pack(8, eod_id=0)):
        with pytest.raises(rd.PipelineError, match="component 'web' comes from an iterable"):
            rd.mix({"web": mixed})


def test_a_record_without_the_column_is_named() -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(stream(), "text", name="my stream"))
    with pytest.raises(rd.RecordError, match=r"my stream, record 0 of the stream has no 'text'; it has 'tokens'"):
        next(iter(documents))


def test_a_dataset_with_random_access_is_no_stream() -> None:
    with pytest.raises(rd.PipelineError, match=r"is not a datasets\.IterableDataset"):
        rd.HuggingFaceIterableSource([1, 2])


def test_a_state_of_another_stream_is_refused() -> None:
    iterator = iter(pipeline(stream()))
    next(iterator)
    other = rd.Dataset.from_source(
        rd.HuggingFaceIterableSource(stream().map(lambda r: {"text": "x"}), "text"), name="stream"
    )
    with pytest.raises(rd.PipelineMismatchError):
        iter(other.append_eod(0).pack(16, window=16, eod_id=0).batch(2)).set_state(iterator.get_state())


@pytest.mark.parametrize("name", ["", "a/b", "*"])
def test_its_component_has_a_name_as_any_other(name: str) -> None:
    with pytest.raises(rd.PipelineError, match=r"a name (that is not empty|without)"):
        rd.Dataset.from_source(rd.HuggingFaceIterableSource(stream(), "tokens"), name=name)


# Bad records.


def numbers(count: int = 40, *, null: int | None = None) -> Any:
    records = {"tokens": [None if number == null else [number + 1] * 3 for number in range(count)]}
    return datasets.Dataset.from_dict(records).to_iterable_dataset()


class Picky:
    """Fails on some numbers; notes how often, and holds what cannot be copied."""

    def __init__(self, *bad: int) -> None:
        self.bad, self.failures, self.lock = bad, 0, threading.Lock()

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if record["tokens"][0] - 1 in self.bad:
                self.failures += 1
                raise ValueError("no such token")
        return record


def batched(record: dict[str, Any]) -> dict[str, Any]:
    if [18, 18, 18] in record["tokens"]:
        raise ValueError("no such batch")
    return record


BAD_STREAMS: dict[str, tuple[Any, set[int]]] = {
    "null": (lambda: numbers(null=17), {17}),
    "null at the beginning": (lambda: numbers(null=0), {0}),
    "a map fails": (lambda: numbers().map(Picky(3, 17, 18, 39)), {3, 17, 18, 39}),
    "a map fails at the beginning": (lambda: numbers().map(Picky(0)), {0}),
    "a filter fails": (lambda: numbers().filter(lambda record: bool(Picky(5)(record))), {5}),
    "a map over shards": (lambda: stream(40).map(lambda r: {"tokens": [r["tokens"][0] - 1]}), set(range(0, 40, 7))),
}


@pytest.mark.parametrize("kind", BAD_STREAMS)
def test_bad_records_are_left_out_keep_their_numbers_and_are_counted(kind: str) -> None:
    make, bad = BAD_STREAMS[kind]

    def documents() -> Any:
        return rd.Dataset.from_source(rd.HuggingFaceIterableSource(make(), "tokens")).skip_bad_records(
            at_most=len(bad)
        )

    iterator = iter(documents())
    states, found = [iterator.get_state()], []
    for document in iterator:
        found.append(list(document))
        states.append(through_json(iterator.get_state()))

    assert len(found) == 40 - len(bad)
    assert iterator.progress().dropped == len(bad)
    assert [left_out.record for left_out in iterator.bad_records] == sorted(bad)
    # The number of documents before a state counts the bad ones too, but for those after the last that was delivered.
    kept = [number for number in range(40) if number not in bad]
    assert [state["components"]["data"][1][0] for state in states[1:]] == [number + 1 for number in kept]
    for step in (0, 3, 17, len(found)):
        resumed = iter(documents())
        resumed.set_state(states[step])
        assert [list(document) for document in resumed] == found[step:]


def test_a_bad_record_of_packed_rows_is_left_out() -> None:
    data = rd.Dataset.from_source(
        rd.HuggingFaceIterableSource(numbers(null=7).filter(lambda r: r["tokens"] != [9] * 3), "tokens")
    )
    iterator = iter(data.skip_bad_records(at_most=1).pack(3, eod_id=0, window=4).batch(2))

    assert [batch.targets[:, 0].tolist() for batch in iterator] == [
        [1 + a, 1 + b] for a, b in zip(*[iter(n for n in range(40) if n not in (7, 8))] * 2, strict=True)
    ]
    assert iterator.progress().dropped == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: numbers(null=11), r"my stream, record 11 of the stream is null in 'tokens'"),
        (
            lambda: numbers().map(Picky(11)),
            r"my stream, record 11 of the stream is bad.*ValueError\('no such token'\)",
        ),
    ],
)
def test_without_a_policy_a_bad_record_is_an_error_after_those_before_it(make: Any, message: str) -> None:
    iterator = iter(rd.Dataset.from_source(rd.HuggingFaceIterableSource(make(), "tokens", name="my stream")))
    assert len([next(iterator) for _ in range(11)]) == 11

    for _ in range(2):
        with pytest.raises(rd.RecordError, match=message):
            next(iterator)
    assert iterator.step == 11


def test_a_function_that_fails_is_not_tried_again() -> None:
    picky = Picky(4)
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(numbers().map(picky), "tokens")).skip_bad_records(
        1
    )

    assert len(list(documents)) == 39
    assert picky.failures == 1


def lines(fails_at: int) -> Any:
    def records() -> Any:
        for number in range(30):
            if number == fails_at:
                raise ValueError("not parsed")
            yield {"tokens": [number]}

    return datasets.IterableDataset.from_generator(records)


@pytest.mark.parametrize("make", [lambda: lines(9), lambda: numbers().map(batched, batched=True, batch_size=6)])
def test_a_stream_that_cannot_go_past_a_record_says_so(make: Any) -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(make(), "tokens")).skip_bad_records(at_most=30)
    iterator = iter(documents)

    for _ in range(2):
        with pytest.raises(rd.RecordError, match=r"ValueError\('n.*does not move on.*The stream cannot go past it"):
            list(iterator)


def test_storage_that_fails_is_tried_again() -> None:
    failures = [ConnectionResetError("reset"), TimeoutError("late")]

    def flaky(record: dict[str, Any]) -> dict[str, Any]:
        if record["tokens"][0] == 8 and failures:
            raise failures.pop()
        return record

    source = rd.HuggingFaceIterableSource(numbers().map(flaky), "tokens")
    documents = rd.Dataset.from_source(source, retries=rd.Retries(attempts=3, longest_wait=0))
    assert [document[0] for document in documents] == list(range(1, 41))


# What users put into a dataset.


def test_what_cannot_be_copied_is_shared() -> None:
    picky = Picky()
    make = rd.Dataset.from_source(rd.HuggingFaceIterableSource(numbers().map(picky), "tokens"))
    one, other = iter(make), iter(make)

    assert [next(one) for _ in range(5)] == [next(other) for _ in range(5)]
    assert len(list(one)) == len(list(other)) == 35


class Uncopied:
    """A stream of another library."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def state_dict(self) -> dict[str, int]:
        return {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        raise NotImplementedError

    def __iter__(self) -> Any:
        return iter(())

    features = None


def test_an_object_that_cannot_be_copied_is_named() -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(Uncopied()))
    with pytest.raises(rd.PipelineError, match=r"needs a Uncopied of its own.*cannot pickle"):
        next(iter(documents))


@pytest.mark.parametrize("kind", ["arrow", "pandas", "numpy", None])
def test_the_format_of_a_stream_changes_no_document(kind: str | None) -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceIterableSource(numbers().with_format(kind), "tokens"))
    iterator = iter(documents)
    taken = [list(next(iterator)) for _ in range(15)]
    resumed = iter(documents)
    resumed.set_state(through_json(iterator.get_state()))

    assert taken + [list(document) for document in resumed] == [[number + 1] * 3 for number in range(40)]


def test_a_shuffle_of_files_warns_at_no_resume(caplog: pytest.LogCaptureFixture) -> None:
    data = pipeline(STREAMS["shards shuffled"]())
    iterator = iter(data)
    for _ in range(15):
        next(iterator)
    logging.getLogger("datasets").addHandler(caplog.handler)
    try:
        resumed = iter(data)
        resumed.set_state(iterator.get_state())
        assert content(next(resumed)) == content(next(iterator))
    finally:
        logging.getLogger("datasets").removeHandler(caplog.handler)
    assert caplog.messages == []


# What is kept belongs to the iterator.


def test_iterators_of_one_dataset_keep_their_own_records() -> None:
    data = pipeline(stream())
    one, other = iter(data), iter(data)
    next(one)
    buffers = [iterator._place.opened.resources[0].buffer for iterator in (one, other)]
    assert buffers[0]._asked
    assert not buffers[1]._asked

    one.close()
    assert not buffers[0]._asked
    assert not buffers[0]._planned
    assert buffers[0]._head is None
