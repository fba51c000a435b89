"""Chosen records are delivered as if the source had no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.stages.select import Slice

RECORDS = [[record + 1] * (record % 5 + 1) for record in range(60)]
Choose = Callable[[rd.Dataset[Any]], rd.Dataset[Any]]


def documents_of(records: list[Any]) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource(records), name="web")


def batches_of(documents: rd.Dataset[Any]) -> rd.Dataset[Any]:
    return documents.shuffle(3).repeat(3).append_eod(99).pack(8, window=16).batch(2)


CHOICES: list[tuple[Choose, list[int]]] = [
    (lambda documents: documents.take(7), list(range(7))),
    (lambda documents: documents.take(100), list(range(60))),
    (lambda documents: documents.skip(50), list(range(50, 60))),
    (lambda documents: documents[5:40:3], list(range(5, 40, 3))),
    (lambda documents: documents[::-1], list(range(59, -1, -1))),
    (lambda documents: documents[-10:], list(range(50, 60))),
    (lambda documents: documents[np.int64(2) : np.int32(4)], [2, 3]),
    (lambda documents: documents.skip(10).take(20)[::2], list(range(10, 30, 2))),
]


@pytest.mark.parametrize(("choose", "records"), CHOICES)
def test_chosen_records_are_delivered_as_if_there_were_no_others(choose: Choose, records: list[int]) -> None:
    chosen = choose(documents_of(RECORDS))
    assert list(chosen) == [RECORDS[record] for record in records]
    assert len(chosen) == len(records)
    expected = list(batches_of(documents_of([RECORDS[record] for record in records])))
    found = list(batches_of(chosen))
    assert [batch.targets.tobytes() for batch in found] == [batch.targets.tobytes() for batch in expected]
    assert len(batches_of(chosen)) == len(found)


def test_parts_of_a_split_hold_every_record_once() -> None:
    train, held_out, rest = documents_of(RECORDS).split({"train": 0.8, "eval": 0.1, "rest": 0.1}, seed=4)
    assert [len(part) for part in (train, held_out, rest)] == [48, 6, 6]
    found = [document for part in (train, held_out, rest) for document in part]
    assert sorted(found) == sorted(RECORDS)
    assert list(documents_of(RECORDS).split({"rest": 1, "eval": 1, "train": 8}, seed=4)["eval"]) == list(held_out)


def test_parts_of_parts_and_slices_of_parts() -> None:
    train, _ = documents_of(RECORDS).split({"train": 0.9, "eval": 0.1}, seed=4)
    half, other = train.split({"a": 0.5, "b": 0.5}, seed=1)
    assert sorted([*half, *other]) == sorted(train)
    assert list(train[3:5]) == list(train)[3:5]


def test_a_part_keeps_its_records_when_the_corpus_grows() -> None:
    shares = {"train": 0.9, "eval": 0.1}
    for before, after in zip(
        documents_of(RECORDS[:37]).split(shares, seed=2), documents_of(RECORDS).split(shares, seed=2), strict=True
    ):
        assert list(after)[: len(before)] == list(before)


def test_batches_name_the_record_of_the_source() -> None:
    (batch,) = documents_of(RECORDS)[40:44].pad(8, eod_id=0).batch(4, batch_type=rd.LLMIndexedBatch)
    assert batch.document_idx.tolist() == [41, 42, 43, 44]


def test_errors_name_the_record_of_the_source() -> None:
    documents = documents_of([[1], [2], ["x"], [3]])[1:3]
    with pytest.raises(rd.RecordError, match="record 2"):
        list(documents.pad(2, eod_id=0).batch(1))


def test_random_maps_draw_the_same_for_a_record_of_a_part() -> None:
    def drawn(documents: rd.Dataset[Any]) -> dict[int, float]:
        mapped = documents.random_map(lambda document, draw: [document[0], draw.random()], seed=5, name="draw")
        return dict(mapped)

    whole = drawn(documents_of(RECORDS))
    for part in documents_of(RECORDS).split({"a": 1, "b": 2}, seed=0):
        assert drawn(part).items() <= whole.items()


@pytest.mark.parametrize("choose", [choose for choose, _ in CHOICES])
def test_it_resumes_anywhere(choose: Choose) -> None:
    data = batches_of(choose(documents_of(RECORDS)))
    iterator, states = iter(data), [iter(data).get_state()]
    expected = [(batch, states.append(iterator.get_state()))[0].targets.tobytes() for batch in iterator]
    for step in range(0, len(expected), 3):
        resumed = iter(data)
        resumed.set_state(json.loads(json.dumps(states[step])))
        assert [batch.targets.tobytes() for batch in resumed] == expected[step:]


def test_what_is_chosen_is_part_of_the_state() -> None:
    state = iter(batches_of(documents_of(RECORDS).take(20))).get_state()
    with pytest.raises(rd.PipelineMismatchError, match=r"slice\.stop was 20, is 21"):
        iter(batches_of(documents_of(RECORDS).take(21))).set_state(state)
    parts = documents_of(RECORDS).split({"a": 1, "b": 1}, seed=0)
    with pytest.raises(rd.PipelineMismatchError, match=r"split\.part was 0, is 1"):
        iter(batches_of(parts["b"])).set_state(iter(batches_of(parts["a"])).get_state())


def test_nothing_is_read_to_choose() -> None:
    class Unread(rd.InMemorySource):
        def read(self, indices: Any) -> Any:
            raise AssertionError("read")

        def fingerprint(self) -> str:
            return "unread"

    documents = rd.Dataset.from_source(Unread([[1]] * 10**6))
    train, held_out = documents.split({"train": 0.999, "eval": 0.001}, seed=0)
    assert (len(train), len(held_out), len(documents[10:])) == (999_000, 1000, 999_990)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda documents: documents.shuffle(1).take(3), "before shuffle and repeat"),
        (lambda documents: documents.repeat().skip(3), "before shuffle and repeat"),
        (lambda documents: documents.repeat(2)[:3], "before shuffle and repeat"),
        (lambda documents: documents.filter(len).take(3), "before filter and skip_bad_records"),
        (lambda documents: documents.pad(3, eod_id=0).take(3), "comes before pack and batch"),
        (lambda documents: documents.take(0), "take: count=0 must be at least 1"),
        (lambda documents: documents.take(1.5), "take: count=1.5 must be an integer"),
        (lambda documents: documents.skip(-1), "skip: count=-1 must be at least 1"),
        (lambda documents: documents.skip(60), "leaves none of the 60 records of component 'web'"),
        (lambda documents: documents[5:5], "leaves none of the 60 records"),
        (lambda documents: documents[3], r"slices such as documents\[:1000\]"),
        (lambda documents: documents["web"], r"slices such as documents\[:1000\]"),
        (lambda documents: documents[:0.5], "stop=0.5 must be an integer"),
        (lambda documents: documents[::0], "the step of a slice is not 0"),
        (lambda documents: documents.split({}, seed=0), "must be shares by name"),
        (lambda documents: documents.split([0.5, 0.5], seed=0), "must be shares by name"),
        (lambda documents: documents.split({"a": 1, "b": -1}, seed=0), "share of 'b' is -1"),
        (lambda documents: documents.split({"a": 1, "b": 0}, seed=0), "share of 'b' is 0"),
        (lambda documents: documents.split({"a": 1, "b": "1"}, seed=0), "share of 'b'='1' must be a number"),
        (lambda documents: documents.split({"a": 1, "b": float("nan")}, seed=0), "share of 'b'=nan must be"),
        (lambda documents: documents.split({"a": 1, "b": 1e-6}, seed=0), "Hold a fixed number of records out"),
        (lambda documents: documents.split({"a": 1, "b": 1}, seed="x"), "split: seed='x' must be an integer"),
        (lambda documents: documents[:1].split({"a": 1, "b": 1}, seed=0), "leaves none of the 1 records"),
    ],
)
def test_what_cannot_be_chosen_is_refused(build: Choose, words: str) -> None:
    with pytest.raises(rd.PipelineError, match=words):
        build(documents_of(RECORDS))


@pytest.mark.parametrize(
    "build",
    [
        lambda documents: documents.repeat(),
        lambda documents: documents.filter(len),
        lambda documents: documents.repeat().pad(8, eod_id=0).batch(2),
        lambda documents: documents.filter(len).pad(8, eod_id=0).batch(2),
        lambda documents: documents.pad(8, eod_id=0),
    ],
)
def test_no_length_is_given_that_is_not_exact(build: Choose) -> None:
    data = build(documents_of(RECORDS))
    with pytest.raises(TypeError, match=r"length\(at_most=…\)"):
        len(data)
    assert data


def test_a_slice_says_what_it_is() -> None:
    assert Slice.of(slice(1, None, 2)).settings() == {"start": 1, "stop": None, "step": 2}
