"""Streamed datasets of Hugging Face, through a pipeline and its states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets.distributed import split_dataset_by_node

import resumable_data as rd

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
    documents = rd.Dataset.from_source(rd.HuggingFaceStream(dataset, "tokens"), name="stream")
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
        states.append(json.loads(json.dumps(iterator.get_state())))
    assert len(batches) > 5
    used = iter(pipeline(make()))
    for step in (0, 1, 2, len(batches) // 2, len(batches) - 1, len(batches), 1):
        for target in (iter(pipeline(make())), used):
            target.set_state(states[step])
            assert [content(batch) for batch in target] == batches[step:]


def test_every_document_comes_once_and_in_order() -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceStream(stream(), "tokens"))

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
    iterator = iter(rd.Dataset.from_source(rd.HuggingFaceStream(dataset, "text")))
    taken = [next(iterator) for _ in range(12)]
    again = iter(rd.Dataset.from_source(rd.HuggingFaceStream(dataset, "text")))
    again.set_state(json.loads(json.dumps(iterator.get_state())))

    assert taken + list(again) == [f"line {n}" for n in range(30)]


def test_it_says_that_it_is_exempt() -> None:
    with pytest.warns(UserWarning, match="is a stream: all processes read all of it"):
        rd.HuggingFaceStream(stream(), "tokens")


def test_a_shuffle_with_a_buffer_is_refused() -> None:
    for dataset in (stream().shuffle(seed=1, buffer_size=10), tripled(stream().shuffle(seed=1, buffer_size=10))):
        with pytest.raises(rd.PipelineError, match=r"shuffle\(buffer_size=10\) cannot be resumed exactly"):
            rd.HuggingFaceStream(dataset, "tokens")


def test_it_cannot_be_shuffled_repeated_sharded_or_mixed() -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceStream(stream(), "tokens"), name="web")
    for stage in (lambda: documents.shuffle(seed=1), documents.repeat):
        with pytest.raises(rd.PipelineError, match="'web' is a stream without random access"):
            stage()
    with pytest.raises(rd.PipelineError, match="no logical shards"):
        iter(documents.pack(8, eod_id=0).batch(4, shards=2))
    for mixed in (documents, documents.pack(8, eod_id=0)):
        with pytest.raises(rd.PipelineError, match="component 'web' is a stream"):
            rd.mix({"web": mixed})


def test_a_record_without_the_column_is_named() -> None:
    documents = rd.Dataset.from_source(rd.HuggingFaceStream(stream(), "text", name="my stream"))
    with pytest.raises(rd.RecordError, match=r"my stream: a record has no 'text'; it has 'tokens'"):
        next(iter(documents))


def test_a_dataset_with_random_access_is_no_stream() -> None:
    with pytest.raises(rd.PipelineError, match=r"is no datasets\.IterableDataset"):
        rd.HuggingFaceStream([1, 2])


def test_a_state_of_another_stream_is_refused() -> None:
    iterator = iter(pipeline(stream()))
    next(iterator)
    other = rd.Dataset.from_source(rd.HuggingFaceStream(stream().map(lambda r: {"text": "x"}), "text"), name="stream")
    with pytest.raises(rd.PipelineMismatchError):
        iter(other.append_eod(0).pack(16, window=16, eod_id=0).batch(2)).set_state(iterator.get_state())


@pytest.mark.parametrize("name", ["", "a/b", "*"])
def test_its_component_has_a_name_as_any_other(name: str) -> None:
    with pytest.raises(rd.PipelineError, match="needs a name without"):
        rd.Dataset.from_source(rd.HuggingFaceStream(stream(), "tokens"), name=name)
