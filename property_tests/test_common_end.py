"""Data that ends, of which each process plans its own logical shards: all of them deliver what one alone would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.coordination import ThreadedRun, threaded_run, together
from property_tests.running import FaultySource, Watched, at_state, joined, raw, take, through_json
from property_tests.strategies import LIMIT, Pipeline, pipelines
from resumable_data.engines.batches import Length

MOST = 6

steps = st.integers(0, 8)


@pytest.fixture(scope="module")
def run() -> Iterator[ThreadedRun]:
    with threaded_run(MOST) as run:
        yield run


@st.composite
def ending(draw: st.DrawFn, **settings: Any) -> Pipeline:
    """A pipeline of several logical shards that ends."""
    pipeline = draw(pipelines(finite=True, **settings))
    shards = draw(st.integers(2, 6))
    return replace(pipeline, shards=shards, batch_size=shards * draw(st.integers(1, 3)))


def counts_of(pipeline: Pipeline) -> list[int]:
    return [count for count in range(1, MOST + 1) if pipeline.batch_size % count == 0]


@given(ending(), st.data())
def test_processes_together_deliver_the_batches_of_one(
    run: ThreadedRun, pipeline: Pipeline, data: st.DataObject
) -> None:
    whole = take(iter(pipeline.dataset()), LIMIT)

    state, delivered = iter(pipeline.dataset()).get_state(), []
    for count in data.draw(st.lists(st.sampled_from(counts_of(pipeline)), min_size=1, max_size=3)):
        at_most = min(data.draw(steps), LIMIT - len(delivered))

        def stay(index: int, count: int = count, state: Any = state, at_most: int = at_most) -> Any:
            with at_state(together(pipeline.dataset(), index, count), state) as iterator:
                return list(islice(iterator, at_most)), through_json(iterator.get_state())

        parts, states = zip(*run.results(count, stay), strict=True)
        delivered += [raw(joined(batch)) for batch in zip(*parts, strict=True)]
        state = rd.merge_states(states)
    delivered += take(at_state(pipeline.dataset(), state), LIMIT - len(delivered))

    assert delivered == whole


@given(ending(), st.data())
def test_they_end_together_and_count_alike(run: ThreadedRun, pipeline: Pipeline, data: st.DataObject) -> None:
    alone = iter(pipeline.dataset())
    whole = [raw(batch) for batch in alone]
    count = data.draw(st.sampled_from(counts_of(pipeline)))
    assert together(pipeline.dataset(), 0, count).length() == Length(len(whole), exact=True)

    def to_the_end(index: int) -> Any:
        with iter(together(pipeline.dataset(), index, count)) as iterator:
            batches = list(iterator)
            assert next(iterator, None) is None
            return batches, through_json(iterator.get_state()), iterator.progress()

    parts, states, progress = zip(*run.results(count, to_the_end), strict=True)
    assert [raw(joined(batch)) for batch in zip(*parts, strict=True)] == whole
    assert rd.merge_states(states) == through_json(alone.get_state())
    if pipeline.shards % count == 0:
        for what in ("documents", "tokens", "truncated", "dropped", "dropped_rows"):
            assert sum(getattr(p, what) for p in progress) == getattr(alone.progress(), what), what


@given(ending(), steps, st.integers(1, 3), st.data())
def test_batches_that_are_skipped_are_the_same(
    run: ThreadedRun, pipeline: Pipeline, before: int, skipped: int, data: st.DataObject
) -> None:
    def skipping(iterator: rd.DataIterator[Any]) -> Any:
        batches = list(islice(iterator, before))
        iterator.skip(skipped)
        return batches + list(islice(iterator, LIMIT)), through_json(iterator.get_state())

    expected, last = skipping(iter(pipeline.dataset()))
    count = data.draw(st.sampled_from(counts_of(pipeline)))

    def of_process(index: int) -> Any:
        with iter(together(pipeline.dataset(), index, count)) as iterator:
            return skipping(iterator)

    parts, states = zip(*run.results(count, of_process), strict=True)
    assert [raw(joined(batch)) for batch in zip(*parts, strict=True)] == [raw(batch) for batch in expected]
    assert rd.merge_states(states) == last


@given(ending(sources=["memory"]), st.data())
def test_a_document_is_read_by_one_process_and_at_most_once_an_epoch(
    run: ThreadedRun, pipeline: Pipeline, data: st.DataObject
) -> None:
    # To the end, and of epochs that are shared out equally: a record is always the same shard's.
    lengths = [length or 1 for length in pipeline.lengths] * pipeline.shards
    stages = tuple(stage for stage in pipeline.stages if stage in ("repeat", "map"))
    pipeline = replace(pipeline, lengths=tuple(lengths), stages=stages, drop_remainder=False)
    count = data.draw(st.sampled_from([n for n in counts_of(pipeline) if pipeline.shards % n == 0]))
    sources = [Watched(pipeline.source()) for _ in range(count)]

    def to_the_end(index: int) -> int:
        with iter(together(pipeline.dataset(sources[index]), index, count)) as iterator:
            return sum(1 for _ in iterator)

    run.results(count, to_the_end)
    epochs, shards = pipeline.oracle().epochs, pipeline.shards
    for index, source in enumerate(sources):
        first, last = index * shards // count, (index + 1) * shards // count
        read = Counter(source.seen)
        assert sorted(read) == [r for r in range(len(lengths)) if first <= r % shards < last]
        # A window of several epochs reads a document once for all of them.
        assert max(read.values()) <= epochs


@given(ending(sources=["memory"], dropping=False), st.data())
def test_an_error_of_one_is_an_error_of_all_and_all_go_on_behind_it(
    run: ThreadedRun, pipeline: Pipeline, data: st.DataObject
) -> None:
    whole = take(iter(pipeline.dataset(Watched(pipeline.source()))), LIMIT)
    count = data.draw(st.sampled_from([n for n in counts_of(pipeline) if pipeline.shards % n == 0]))
    failing, record = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, len(pipeline.lengths) - 1))

    def of_process(index: int) -> Any:
        source = FaultySource(Watched(pipeline.source()))
        if index == failing:
            source.failures[record] = 1
        parts, errors = [], []
        with iter(together(pipeline.dataset(source), index, count)) as iterator:
            for _ in range(2):
                try:
                    parts += islice(iterator, LIMIT - len(parts))
                except rd.ResumableDataError as error:
                    errors.append((type(error), iterator.step))
        return parts, errors

    parts, errors = zip(*run.results(count, of_process), strict=True)
    assert [raw(joined(batch)) for batch in zip(*parts, strict=True)] == whole
    if errors[failing]:
        ((kind, step),) = errors[failing]
        assert kind is rd.RecordError
        assert all(of_others == [(rd.PeerError, step)] for i, of_others in enumerate(errors) if i != failing)
    else:
        assert not any(errors)
