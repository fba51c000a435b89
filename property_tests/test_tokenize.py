"""Text tokenised on the fly: the batches of a naive oracle, on any number of hosts, through interruptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.oracle import Oracle
from property_tests.testing.running import Watched, at_state, joined, raw, take, through_json
from property_tests.testing.toy_tokenizer import BOS_ID, EOS, EOS_ID, alone, shared

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
        longest: Tokens of the longest document that is not left out, or None to leave out none.
        truncate: Whether a document longer than a row loses its tail.
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
    longest: int | None = None
    truncate: bool = False

    @property
    def records(self) -> list[Any]:
        return [text.encode() if self.binary else text for text in self.texts]

    def dataset(self, source: Any = None) -> rd.Dataset[rd.LLMBatch]:
        """The pipeline that is tested; a batch has eight rows."""
        documents = rd.Dataset.from_source(source or rd.InMemorySource(self.records), name="text")
        documents = documents.tokenize(shared(), add_bos=self.add_bos, max_length=self.max_length)
        if self.longest is not None:
            documents = documents.filter(lambda tokens: not self.leaves_out(tokens), name="short enough")
        return self._rows(documents, None).batch(8, shards=self.shards)

    def oracle(self) -> rd.Dataset[rd.LLMBatch]:
        """The same of tokens that are in memory, each text tokenised alone."""
        documents = rd.Dataset.from_source(rd.InMemorySource([self.document(text) for text in self.texts]), "text")
        return self._rows(documents, EOS_ID).batch(8, shards=self.shards)

    def document(self, text: str) -> list[int]:
        """The tokens of a text, tokenised alone."""
        tokens = [*([BOS_ID] if self.add_bos else []), *alone(text), EOS_ID]
        return tokens[: self.max_length]

    def counts(self) -> list[tuple[int, int, int]]:
        """Documents, tokens and tokens cut off, of all shards together before each step."""
        documents = [self.document(text) for text in self.texts]
        oracle = Oracle(
            documents=[[] if self.leaves_out(tokens) else tokens for tokens in documents],
            path="text",
            seed=self.shuffle,
            epochs=None,
            strategy=self.strategy,
            window=self.window,
            length=self.length,
            truncate=self.truncate,
            shards=self.shards,
        )
        shards = [replace(oracle, shard=shard).rows() for shard in range(self.shards)]
        counts = [(0, 0, 0)]
        for _ in range(STEPS):
            spans = [span for rows in shards for row in islice(rows, 8 // self.shards) for span in row]
            begun = [span.document for span in spans if span.offset == 0]
            tokens = sum(len(span.tokens) for span in spans)
            cut = sum(self.cut_off(document.record) + document.cut_off for document in begun)
            before = counts[-1]
            counts.append((before[0] + len(begun), before[1] + tokens, before[2] + cut))
        return counts

    def cut_off(self, record: int) -> int:
        """Tokens of a text that there is no room for."""
        text = len(alone(self.texts[record]))
        return 0 if self.max_length is None else max(0, text + self.add_bos - self.max_length)

    def leaves_out(self, tokens: Any) -> bool:
        """Whether the filter leaves a document out."""
        return self.longest is not None and len(tokens) > self.longest

    def _rows(self, documents: rd.Dataset[Any], eod_id: int | None) -> rd.Dataset[rd.LLMBatch]:
        if self.shuffle is not None:
            documents = documents.shuffle(self.shuffle)
        return documents.repeat().pack(
            self.length, eod_id=eod_id, strategy=self.strategy, window=self.window, truncate=self.truncate
        )


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


@st.composite
def cutting_jobs(draw: st.DrawFn) -> Job:
    """Jobs that cut in both places; each shard has documents in every epoch, whatever is left out."""
    job = replace(draw(jobs), length=draw(st.integers(1, 12)), truncate=draw(st.booleans()))
    job = replace(job, longest=draw(st.none() | st.integers(2, 30)))
    if job.longest is None:
        return job
    return replace(job, texts=job.texts + ("",) * 8, shards=job.shards if job.shuffle is None else 1)


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


@settings(max_examples=settings.default.max_examples // 2)
@given(cutting_jobs(), st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.integers(0, STEPS))
def test_progress_counts_what_is_cut_on_any_number_of_hosts(job: Job, before: int, after: int, steps: int) -> None:
    # Each shard is planned by one host alone, so that the counts of all hosts add up.
    before, after = min(before, job.shards), min(after, job.shards)
    dataset = job.dataset()
    hosts = [iter(dataset.shard(index, before)) for index in range(before)]
    expected = job.counts()

    assert counts_of(hosts) == expected[0]
    for step in range(1, steps + 1):
        list(map(next, hosts))
        assert counts_of(hosts) == expected[step]
    state = through_json(rd.merge_states([through_json(host.get_state()) for host in hosts]))

    hosts = [iter(dataset.shard(index, after)) for index in range(after)]
    for host in hosts:
        host.set_state(state)
    assert counts_of(hosts) == expected[steps]
    for step in range(steps + 1, STEPS + 1):
        list(map(next, hosts))
        assert counts_of(hosts) == expected[step]


def counts_of(hosts: list[rd.DataIterator[Any]]) -> tuple[int, int, int]:
    """Documents, tokens and tokens cut off, of all hosts."""
    found = [host.progress() for host in hosts]
    for progress in found:
        assert progress.components["text"].truncated == progress.truncated
    return (
        sum(progress.documents for progress in found),
        sum(progress.tokens for progress in found),
        sum(progress.truncated for progress in found),
    )


@fewer
@given(jobs, st.sampled_from(HOSTS))
def test_every_document_is_tokenised_once_by_one_host(job: Job, count: int) -> None:
    # In the source's order, in epochs of which every shard has an equal part, a document is always the same shard's.
    job = replace(job, texts=job.texts * 8, shards=8, shuffle=None, length=max(job.length, 16))
    sources = [Watched(rd.InMemorySource(job.records)) for _ in range(count)]
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
    iterator, source = iter(job.dataset()), Watched(rd.InMemorySource(job.records))
    take(iterator, steps)
    resumed = at_state(job.dataset(source), iterator.get_state())

    assert len(source.seen) <= job.shards * job.window
    assert raw(next(resumed)) == raw(next(iterator))


def test_the_tokenizer_alone_is_naive_enough() -> None:
    assert alone("") == []
    assert alone(EOS) == [EOS_ID]
    assert np.array(alone("row " * 60)).size > 60
