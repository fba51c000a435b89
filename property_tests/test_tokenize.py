"""Text tokenised on the fly: the batches of a naive oracle, on any number of hosts, through interruptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.running import at_state, joined, raw, take, through_json
from property_tests.toy_tokenizer import BOS_ID, EOS, EOS_ID, alone, shared

STEPS = 8
LONGEST_EPOCH = 1000
HOSTS = (1, 2, 4, 8)

fewer = settings(max_examples=settings.default.max_examples // 4)

texts = st.lists(
    st.text(max_size=40)
    | st.sampled_from(["", " ", "\n\t ", EOS, f"a{EOS}", "\x00", "a" * 200, "𝕏é\u0301" * 9, "row " * 60]),
    min_size=1,
    max_size=40,
)


@dataclass(frozen=True)
class Job:
    """A pipeline over texts.

    Attributes:
        texts: They themselves.
        length: Tokens a row.
        window: Documents a window.
        strategy: How they are packed.
        shuffle: Seed of the shuffle, or None.
        add_bos: Whether documents begin with BOS.
        max_length: Where documents are cut, or None.
        shards: Logical shards of a batch of eight rows.
        binary: Whether the records are bytes.
    """

    texts: tuple[str, ...]
    length: int
    window: int
    strategy: str
    shuffle: int | None
    add_bos: bool
    max_length: int | None
    shards: int
    binary: bool

    @property
    def records(self) -> list[Any]:
        return [text.encode() if self.binary else text for text in self.texts]

    def dataset(self, source: Any = None) -> rd.Dataset[rd.LLMBatch]:
        """The pipeline that is tested; a batch has eight rows."""
        documents = rd.Dataset.from_source(source or rd.InMemorySource(self.records), name="text")
        documents = documents.tokenize(shared(), add_bos=self.add_bos, max_length=self.max_length)
        return self._rows(documents, None).batch(8, shards=self.shards)

    def oracle(self) -> rd.Dataset[rd.LLMBatch]:
        """The same of tokens that are in memory, each text tokenised alone."""
        documents = rd.Dataset.from_source(rd.InMemorySource([self.document(text) for text in self.texts]), "text")
        return self._rows(documents, EOS_ID).batch(8, shards=self.shards)

    def document(self, text: str) -> list[int]:
        """The tokens of a text, tokenised alone."""
        tokens = [*([BOS_ID] if self.add_bos else []), *alone(text), EOS_ID]
        return tokens[: self.max_length]

    def _rows(self, documents: rd.Dataset[Any], eod_id: int | None) -> rd.Dataset[rd.LLMBatch]:
        if self.shuffle is not None:
            documents = documents.shuffle(self.shuffle)
        return documents.repeat().pack(self.length, eod_id=eod_id, strategy=self.strategy, window=self.window)


jobs = st.builds(
    Job,
    texts=texts.map(tuple),
    length=st.integers(1, 64),
    window=st.integers(1, 12),
    strategy=st.sampled_from(["best_fit", "first_fit", "concat_split"]),
    shuffle=st.none() | st.integers(0, 3),
    add_bos=st.booleans(),
    max_length=st.none() | st.integers(2, 30),
    shards=st.sampled_from([1, 2, 4, 8]),
    binary=st.booleans(),
)


class Watched:
    """Texts in memory that remembers which were read."""

    def __init__(self, records: list[Any]) -> None:
        self._source = rd.InMemorySource(records)
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(self._source)

    def read(self, indices: Any) -> list[Any]:
        self.seen += indices.tolist()
        return self._source.read(indices)

    def fingerprint(self) -> str:
        return self._source.fingerprint()


@fewer
@given(jobs)
def test_batches_are_those_of_texts_tokenised_alone(job: Job) -> None:
    assert take(iter(job.dataset()), STEPS) == take(iter(job.oracle()), STEPS)


@fewer
@given(jobs, st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.integers(0, STEPS), st.booleans())
def test_hosts_and_interruptions_change_nothing(job: Job, before: int, after: int, steps: int, used: bool) -> None:
    whole = take(iter(job.oracle()), STEPS)
    dataset = job.dataset()
    hosts = [iter(dataset.shard(index, before)) for index in range(before)]
    delivered = [raw(joined(parts)) for parts in islice(zip(*hosts, strict=True), steps)]
    state = through_json(rd.merge_states([through_json(host.get_state()) for host in hosts]))

    resumed = [iter(dataset.shard(index, after)) for index in range(after)]
    for host in resumed:
        if used:
            next(host)
        host.set_state(state)
    delivered += [raw(joined(parts)) for parts in islice(zip(*resumed, strict=True), STEPS - steps)]
    assert delivered == whole


@fewer
@given(jobs, st.sampled_from(HOSTS))
def test_every_document_is_tokenised_once_by_one_host(job: Job, count: int) -> None:
    # In the source's order, in epochs of which every shard has an equal part, a document is always the same shard's.
    job = replace(job, texts=job.texts * 8, shards=8, shuffle=None, length=max(job.length, 16))
    sources = [Watched(job.records) for _ in range(count)]
    hosts = [iter(job.dataset(source).shard(index, count)) for index, source in enumerate(sources)]
    for _ in range(LONGEST_EPOCH):
        for host in hosts:
            next(host)
        if sum(len(source.seen) for source in sources) >= len(job.texts):
            break
    for index, source in enumerate(sources):
        first, last = index * 8 // count, (index + 1) * 8 // count
        assert sorted(source.seen) == [r for r in range(len(job.texts)) if first <= r % 8 < last]


@fewer
@given(jobs, st.integers(1, STEPS))
def test_a_restore_tokenises_at_most_one_window_a_shard_again(job: Job, steps: int) -> None:
    job = replace(job, texts=job.texts * 4)
    iterator, source = iter(job.dataset()), Watched(job.records)
    take(iterator, steps)
    resumed = at_state(job.dataset(source), iterator.get_state())

    assert len(source.seen) <= job.shards * job.window
    assert raw(next(resumed)) == raw(next(iterator))


def test_the_tokenizer_alone_is_naive_enough() -> None:
    assert alone("") == []
    assert alone(EOS) == [EOS_ID]
    assert np.array(alone("row " * 60)).size > 60
