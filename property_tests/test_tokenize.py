"""Text tokenized on the fly: the batches of a naive oracle, on any number of processes, through interruptions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.oracle.pipeline import Oracle
from property_tests.testing.running import Watched, at_state, joined, raw, take, through_json
from property_tests.testing.strategies import Unmeasured
from property_tests.testing.toy_tokenizer import EOS, EOS_ID, alone, closed, shared

pytestmark = pytest.mark.filterwarnings("ignore:there is no batch")  # of data that is drawn at random

STEPS = 8
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
        texts: The texts.
        length: Tokens a row.
        window: Documents a window.
        strategy: The packing strategy.
        shuffle: Seed of the shuffle, or None.
        add_bos: Whether documents begin with BOS.
        max_length: The most tokens of a document, or None.
        shards: Logical shards of a batch of eight rows.
        binary: Whether the records are bytes.
        longest: Tokens of the longest document that is kept; None keeps all.
        truncate: Whether a document longer than a row is truncated at its end.
        epochs: The number of epochs; None for endless data.
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
    epochs: int | None = None

    @property
    def records(self) -> list[Any]:
        return [text.encode() if self.binary else text for text in self.texts]

    def dataset(self, source: Any = None) -> rd.Dataset[rd.LLMBatch]:
        """Makes the tested pipeline. A batch has eight rows."""
        documents = rd.Dataset.from_source(source or rd.InMemorySource(self.records), name="text")
        documents = documents.tokenize(shared(), add_bos=self.add_bos, max_length=self.max_length)
        if self.longest is not None:
            documents = documents.filter(lambda tokens: not self.leaves_out(tokens), name="short enough")
        return self._rows(documents, None).batch(8, shards=self.shards)

    def oracle(self) -> rd.Dataset[rd.LLMBatch]:
        """Makes the same pipeline of tokens in memory, each text tokenized alone."""
        source = Unmeasured(rd.InMemorySource([self.document(text) for text in self.texts]))
        return self._rows(rd.Dataset.from_source(source, "text"), EOS_ID).batch(8, shards=self.shards)

    def document(self, text: str) -> list[int]:
        """Returns the tokens of a text, tokenized alone."""
        tokens = closed(alone(text), add_bos=self.add_bos)
        return tokens[: self.max_length]

    def naive(self) -> Oracle:
        """Makes the oracle of everything but arrays."""
        documents = [self.document(text) for text in self.texts]
        return Oracle(
            documents=documents,
            path="text",
            seed=self.shuffle,
            epochs=self.epochs,
            strategy=self.strategy,
            window=self.window,
            length=self.length,
            truncate=self.truncate,
            batch_size=8,
            shards=self.shards,
            known=False,
            dropping=self.longest is not None,
            dropped=frozenset(record for record, tokens in enumerate(documents) if self.leaves_out(tokens)),
        )

    def counts(self) -> list[tuple[int, int, int]]:
        """Returns the documents, tokens and truncated tokens before each step."""
        counts = [(0, 0, 0)]
        for rows in islice(self.naive().batched_rows(), STEPS):
            spans = [span for row in rows for span in row.spans]
            begun = [span.document for span in spans if span.offset == 0]
            tokens = sum(len(span.tokens) for span in spans)
            cut = sum(self.cut_off(document.record) + document.truncated for document in begun)
            before = counts[-1]
            counts.append((before[0] + len(begun), before[1] + tokens, before[2] + cut))
        return counts

    def measured_for(self, step: int) -> int:
        """Returns the documents of the groups with a row in the batch of a step, and of the group measured ahead."""
        oracle, end, documents, ahead = self.naive(), 0, 0, False
        for epoch in count():
            for group in oracle.groups(epoch):
                end += len(oracle.rows_of(epoch, group))
                documents += sum(map(len, group.documents)) if end > 8 * step else 0
                if ahead and end > 8 * (step + 1):
                    return documents
                ahead = end >= 8 * (step + 1)
        raise AssertionError

    def cut_off(self, record: int) -> int:
        """Counts the tokens of a text that do not fit."""
        text = len(alone(self.texts[record]))
        return 0 if self.max_length is None else max(0, text + self.add_bos - self.max_length)

    def leaves_out(self, tokens: Any) -> bool:
        """Says whether the filter drops a document."""
        return self.longest is not None and len(tokens) > self.longest

    def _rows(self, documents: rd.Dataset[Any], eod_id: int | None) -> rd.Dataset[rd.LLMBatch]:
        if self.shuffle is not None:
            documents = documents.shuffle(self.shuffle)
        return documents.repeat(self.epochs).pack(
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
    shards=st.integers(1, 9),
    binary=st.booleans(),
)


@st.composite
def cutting_jobs(draw: st.DrawFn) -> Job:
    """Draws jobs that truncate in both places. Every epoch has a document, whatever is left out."""
    job = replace(draw(jobs), length=draw(st.integers(1, 12)), truncate=draw(st.booleans()))
    job = replace(job, longest=draw(st.none() | st.integers(2, 30)))
    return job if job.longest is None else replace(job, texts=(*job.texts, ""))


@fewer
@given(jobs)
def test_batches_are_those_of_texts_tokenized_alone(job: Job) -> None:
    assert take(iter(job.dataset()), STEPS) == take(iter(job.oracle()), STEPS)


@fewer
@given(jobs, st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.integers(0, STEPS), st.booleans())
def test_processes_and_resumes_change_nothing(job: Job, before: int, after: int, steps: int, used: bool) -> None:
    whole = take(iter(job.oracle()), STEPS)
    dataset = job.dataset()
    hosts = [iter(dataset.shard(index, before)) for index in range(before)]
    delivered = [raw(joined(parts)) for parts in islice(zip(*hosts, strict=True), steps)]
    state = through_json(hosts[-1].get_state())

    resumed = [iter(dataset.shard(index, after)) for index in range(after)]
    for host in resumed:
        if used:
            next(host)
        host.set_state(state)
    delivered += [raw(joined(parts)) for parts in islice(zip(*resumed, strict=True), STEPS - steps)]
    assert delivered == whole


@settings(max_examples=settings.default.max_examples // 2)
@given(cutting_jobs(), st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.integers(0, STEPS))
def test_progress_counts_truncated_tokens_on_any_processes(job: Job, before: int, after: int, steps: int) -> None:
    dataset = job.dataset()
    hosts = [iter(dataset.shard(index, before)) for index in range(before)]
    expected = job.counts()

    assert counts_of(hosts) == {expected[0]}
    for step in range(1, steps + 1):
        list(map(next, hosts))
        assert counts_of(hosts) == {expected[step]}
    state = through_json(hosts[-1].get_state())

    hosts = [iter(dataset.shard(index, after)) for index in range(after)]
    for host in hosts:
        host.set_state(state)
    assert counts_of(hosts) == {expected[steps]}
    for step in range(steps + 1, STEPS + 1):
        list(map(next, hosts))
        assert counts_of(hosts) == {expected[step]}


def counts_of(hosts: list[rd.DataIterator[Any]]) -> set[tuple[int, int, int]]:
    """Returns documents, tokens and truncated tokens, as each process counts them."""
    found = [host.progress() for host in hosts]
    for progress in found:
        assert progress.components["text"].truncated == progress.truncated
    return {(progress.documents, progress.tokens, progress.truncated) for progress in found}


@fewer
@given(jobs)
def test_one_process_tokenizes_every_document_once_an_epoch(job: Job) -> None:
    job = replace(job, texts=job.texts * 4, epochs=1)
    source = Watched(rd.InMemorySource(job.records))
    for _ in job.dataset(source):
        pass

    assert sorted(source.seen) == list(range(len(job.texts)))


@fewer
@given(jobs, st.integers(1, STEPS))
def test_a_restore_tokenizes_at_most_the_groups_of_a_batch_again(job: Job, steps: int) -> None:
    job = replace(job, texts=job.texts * 4)
    iterator, source = iter(job.dataset()), Watched(rd.InMemorySource(job.records))
    take(iterator, steps)
    resumed = at_state(job.dataset(source), iterator.get_state())

    assert raw(next(resumed)) == raw(next(iterator))
    assert len(source.seen) <= job.measured_for(steps)


def test_the_tokenizer_alone_is_naive_enough() -> None:
    assert alone("") == []
    assert alone(EOS) == [EOS_ID]
    assert np.array(alone("row " * 60)).size > 60
