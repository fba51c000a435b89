"""The promises on random pipelines: one order, exactly once an epoch, and the same batches after interruptions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.running import FIELDS, at_state, joined, raw, take, through_json
from property_tests.testing.strategies import LEVELS, LIMIT, PLACES, RAISE, Pipeline, pipelines

pytestmark = pytest.mark.filterwarnings("ignore:there is no batch")  # of data that is drawn at random

steps = st.integers(0, 8)
interruptions = st.lists(
    st.tuples(steps, st.sampled_from(["fresh", "used", "ended", "itself"]), st.none() | st.integers(1, 3)),
    max_size=5,
)


@given(pipelines())
def test_batches_are_as_the_oracle_has_them(pipeline: Pipeline) -> None:
    batches = islice(iter(pipeline.dataset()), LIMIT)
    delivered = [{name: getattr(batch, name).tolist() for name in FIELDS} for batch in batches]

    assert delivered == list(islice(pipeline.oracle().batches(), LIMIT))


@given(pipelines(levels=["rows"]))
def test_rows_are_as_the_oracle_has_them(pipeline: Pipeline) -> None:
    oracle = pipeline.oracle()
    rows = islice(iter(pipeline.dataset()), LIMIT)
    delivered = [{name: getattr(row, name).tolist() for name in FIELDS} for row in rows]

    assert delivered == [oracle.format.cells(row) for row in islice(oracle.rows(), LIMIT)]


@given(pipelines(levels=["documents"]))
def test_documents_are_as_the_oracle_has_them(pipeline: Pipeline) -> None:
    documents = islice(iter(pipeline.dataset()), LIMIT)
    delivered = [[int(token) for token in document] for document in documents]

    assert delivered == [list(document.tokens) for document in islice(pipeline.oracle().stream(), LIMIT)]


@given(pipelines(LEVELS), interruptions)
def test_interruptions_change_nothing(pipeline: Pipeline, interruptions: list[tuple[int, str, int | None]]) -> None:
    whole = take(iter(pipeline.dataset()), LIMIT)

    iterator, delivered = iter(pipeline.dataset()), []
    for steps, onto, prefetch in interruptions:
        delivered += take(iterator, min(steps, LIMIT - len(delivered)))
        iterator = interrupted(iterator, onto, pipeline.with_prefetch(prefetch))
        assert iterator.step == len(delivered)
    delivered += take(iterator, LIMIT - len(delivered))

    assert delivered == whole
    if len(whole) < LIMIT:
        assert take(at_state(pipeline.dataset(), iterator.get_state()), 1) == []


def interrupted(old: rd.DataIterator[Any], onto: str, pipeline: Pipeline) -> rd.DataIterator[Any]:
    """Returns an iterator at the position of another: a fresh one, a used one, one at its end, or the same."""
    state = through_json(old.get_state())
    if onto == "itself":
        take(old, 3)
        old.set_state(state)
        return old
    old.close()
    new = iter(pipeline.dataset())
    take(new, {"fresh": 0, "used": 3, "ended": LIMIT}[onto])
    new.set_state(state)
    return new


@given(pipelines(LEVELS), steps, steps)
def test_one_state_serves_any_number_of_iterators(pipeline: Pipeline, before: int, between: int) -> None:
    dataset = pipeline.dataset()
    original = iter(dataset)
    take(original, before)
    state = through_json(original.get_state())
    rest = take(original, LIMIT)
    original.close()

    first, second = iter(dataset), iter(dataset)
    first.set_state(state)
    ahead = take(first, between)
    second.set_state(state)

    assert take(second, LIMIT) == rest
    assert ahead + take(first, LIMIT - len(ahead)) == rest


@given(pipelines(LEVELS), steps, steps)
def test_a_position_has_one_state(pipeline: Pipeline, before: int, after: int) -> None:
    dataset = pipeline.dataset()
    straight = iter(dataset)
    take(straight, before)
    resumed = at_state(dataset, straight.get_state())
    take(straight, after)
    take(resumed, after)

    assert json.dumps(resumed.get_state()) == json.dumps(straight.get_state())


@given(pipelines(LEVELS))
def test_peeking_moves_nothing(pipeline: Pipeline) -> None:
    whole = take(iter(pipeline.dataset()), LIMIT)

    iterator = iter(pipeline.dataset())
    for number, element in enumerate(whole):
        state = iterator.get_state()
        assert raw(iterator.peek()) == raw(iterator.peek()) == element
        assert iterator.step == number
        assert iterator.get_state() == state
        assert raw(next(iterator)) == element
    if len(whole) < LIMIT:
        with pytest.raises(StopIteration):
            iterator.peek()
        assert iterator.step == len(whole)


@given(pipelines(LEVELS), steps)
def test_changing_a_returned_state_does_not_change_the_iterator(pipeline: Pipeline, before: int) -> None:
    whole = take(iter(pipeline.dataset()), LIMIT)
    iterator = iter(pipeline.dataset())
    delivered = take(iterator, before)
    state = iterator.get_state()
    text = json.dumps(state)

    delivered += take(iterator, 2)
    assert json.dumps(state) == text
    after = json.dumps(iterator.get_state())
    vandalise(state)
    vandalise(iterator.get_state())

    assert json.dumps(iterator.get_state()) == after
    assert delivered + take(iterator, LIMIT - len(delivered)) == whole


def kept_of(document: list[int], pipeline: Pipeline) -> list[int]:
    """Returns the tokens of a document that are not truncated."""
    if not pipeline.truncate:
        return document
    return document[-pipeline.length :] if pipeline.truncate == "left" else document[: pipeline.length]


def vandalise(value: Any) -> None:
    """Empties a nest of dicts and lists from the inside."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            vandalise(inner)
        value.clear()


@given(pipelines(sources=["memory", "arrays", "array_record", "unmeasured"], finite=True))
def test_every_epoch_delivers_every_token_once(pipeline: Pipeline) -> None:
    pipeline = replace(pipeline, batch_size=12, drop_remainder=False)
    documents = pipeline.documents()
    kept = [kept_of(document, pipeline) for document in documents]
    oracle = pipeline.oracle()
    epochs = oracle.epochs

    iterator = iter(pipeline.dataset())
    delivered: Counter[int] = Counter()
    for stretch in stretches(pipeline, iterator):
        delivered.update(stretch)
        assert is_part(stretch, documents, RAISE if "map" in pipeline.stages else 0)

    assert delivered == Counter({token: epochs * n for token, n in tokens_of(kept).items()})
    assert iterator.progress().tokens == delivered.total()
    assert iterator.progress().truncated == epochs * sum(map(len, documents)) - delivered.total()
    # Documents left out after the last row may or may not be counted.
    at_last_row = oracle.dropped_before(sum(1 for _ in oracle.rows()))
    assert at_last_row <= iterator.progress().dropped <= epochs * len(pipeline.dropped)
    assert iterator.progress().dropped_rows == 0


@given(pipelines(finite=True))
def test_an_epoch_is_delivered_before_the_next_begins(pipeline: Pipeline) -> None:
    pipeline = replace(pipeline, batch_size=1)
    row_epochs = [{span.document.epoch for span in row.spans} for row in islice(pipeline.oracle().rows(), 200)]
    assert all(len(epochs) == 1 for epochs in row_epochs)

    iterator = iter(pipeline.dataset())
    for (epoch,) in row_epochs:
        next(iterator)
        assert epoch <= iterator.progress().components["data"].epochs <= epoch + 1


def stretches(pipeline: Pipeline, batches: Iterable[rd.LLMBatch]) -> Iterator[list[int]]:
    """Returns the text of every batch, segment by segment."""
    text = "inputs" if pipeline.shift == "targets" else "targets"
    for batch in batches:
        for row, numbers in zip(getattr(batch, text).tolist(), batch.inputs_segmentation.tolist(), strict=True):
            for number, cells in groupby(zip(numbers, row, strict=True), key=lambda cell: cell[0]):
                if number:
                    yield [token for _, token in cells]


def is_part(stretch: list[int], documents: list[list[int]], added: int) -> bool:
    """Says whether the tokens stand so in the document that they name. An end-of-document token names none."""
    record, place = divmod(stretch[0] - added - 1, PLACES)
    if not 0 <= record < len(documents):
        return len(stretch) == 1
    return stretch == documents[record][place : place + len(stretch)]


def tokens_of(documents: list[list[int]]) -> Counter[int]:
    return Counter(token for document in documents for token in document)


@given(pipelines())
def test_progress_counts_what_was_delivered_and_survives_a_resume(pipeline: Pipeline) -> None:
    oracle = pipeline.oracle()
    all_rows = list(islice(oracle.rows(), (LIMIT + 1) * pipeline.batch_size))
    iterator = iter(pipeline.dataset())
    for step in range(LIMIT):
        rows = all_rows[: step * pipeline.batch_size]
        left = len(all_rows) - len(rows)
        begun = [span for row in rows for span in row.spans if span.offset == 0]
        progress = iterator.progress()

        assert (progress.step, progress.rows) == (step, len(rows))
        assert progress.tokens == sum(len(span.tokens) for row in rows for span in row.spans)
        assert progress.documents == len(begun)
        assert progress.truncated == sum(span.document.truncated for span in begun)
        assert progress.dropped == oracle.dropped_before(len(rows))
        assert progress.dropped_rows == (left if left < pipeline.batch_size and pipeline.drop_remainder else 0)
        assert at_state(pipeline.dataset(), iterator.get_state()).progress() == progress
        if next(iterator, None) is None:
            break


@st.composite
def pipelines_and_counts(draw: st.DrawFn) -> tuple[Pipeline, list[int]]:
    """Draws a pipeline, and numbers of processes that divide its batch."""
    pipeline = draw(pipelines())
    divisors = [count for count in range(1, 9) if pipeline.batch_size % count == 0]
    return pipeline, draw(st.lists(st.sampled_from(divisors), min_size=1, max_size=4))


@given(pipelines_and_counts(), steps)
def test_processes_together_have_the_global_batch(drawn: tuple[Pipeline, list[int]], stay: int) -> None:
    pipeline, counts = drawn
    whole = take(iter(pipeline.dataset()), LIMIT)

    state, delivered = iter(pipeline.dataset()).get_state(), []
    for count in counts:
        processes = [at_state(pipeline.dataset(process=(index, count)), state) for index in range(count)]
        batches = zip(*processes, strict=True)
        delivered += [raw(joined(parts)) for parts in islice(batches, min(stay, LIMIT - len(delivered)))]
        states = [process.get_state() for process in processes]
        assert states == states[:1] * count
        state = through_json(states[0])
    delivered += take(at_state(pipeline.dataset(), state), LIMIT - len(delivered))

    assert delivered == whole


@given(pipelines(LEVELS), st.integers(1, 5))
def test_prefetching_changes_nothing(pipeline: Pipeline, ahead: int) -> None:
    plain, ahead_of_it = (iter(pipeline.with_prefetch(depth).dataset()) for depth in (None, ahead))
    for _ in range(LIMIT):
        assert ahead_of_it.get_state() == plain.get_state()
        element = take(plain, 1)
        assert take(ahead_of_it, 1) == element
        if not element:
            break
