"""``explain`` and ``when`` agree with the batches: every token of a batch stands where a span says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.test_edits import EDITS, edited, is_refused
from property_tests.test_resume import kept_of
from property_tests.testing.mixes import Leaf, Mixed, Run, runs
from property_tests.testing.running import through_json
from property_tests.testing.strategies import Pipeline, pipelines

pytestmark = pytest.mark.filterwarnings("ignore:there is no batch")  # of data that is drawn at random

STEPS = 8
half = settings(max_examples=settings.default.max_examples // 2)
fewer = settings(max_examples=settings.default.max_examples // 6)
Document = Callable[[str, int], Sequence[int]]
"""A function from a component and a record to its tokens."""


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Plans few rows of a mix at once: this is quicker here, and many blocks end within a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resumable_data.planning.mixed._ROWS_AT_ONCE", 24)
        yield


def check(why: rd.Explanation, batch: rd.LLMBatch, document: Document, *, text: str, pad: int) -> None:
    """Checks that the spans make the text of the batch, segment by segment."""
    expected = np.full((len(why.rows), why.row_length), pad)
    segments = np.zeros_like(expected)
    for row, spans in enumerate(why.rows):
        for number, span in enumerate(spans, start=1):
            tokens = document(span.component, span.record)
            assert span.length == len(tokens)
            cells = slice(span.column, span.column + span.stop - span.start)
            expected[row, cells] = tokens[span.start : span.stop]
            segments[row, cells] = number
    if text == "inputs":  # The target of a row's last token is padding.
        assert batch.inputs.tolist() == expected.tolist()
        assert batch.inputs_segmentation.tolist() == segments.tolist()
    else:
        assert batch.targets.tolist() == expected.tolist()
        assert batch.targets_segmentation.tolist() == segments.tolist()


def text_of(pipeline: Pipeline) -> str:
    return "inputs" if pipeline.shift == "targets" else "targets"


@half
@given(pipelines(), st.data())
def test_a_step_is_explained_from_any_state(pipeline: Pipeline, data: st.DataObject) -> None:
    dataset, documents = pipeline.dataset(), [kept_of(document, pipeline) for document in pipeline.documents()]
    iterator, states, batches = iter(dataset), [], []
    for _ in range(STEPS):
        states.append(through_json(iterator.get_state()))
        if (batch := next(iterator, None)) is None:
            break
        batches.append(batch)
    if not batches:
        with pytest.raises(rd.PipelineError, match="there is no step 0: the data ends after 0 batches"):
            dataset.explain(0)
        return

    step = data.draw(st.integers(0, len(batches) - 1))
    state = data.draw(st.none() | st.sampled_from(states))
    why = dataset.explain(step, state=state)

    check(why, batches[step], lambda _, record: documents[record], text=text_of(pipeline), pad=pipeline.pad_id)
    assert why == dataset.explain(step)


def leaf_at(mix: Mixed, path: str) -> Leaf:
    """Returns the component of a path."""
    first, _, rest = path.partition("/")
    child = mix.children[first]
    return child if isinstance(child, Leaf) else leaf_at(child, rest)


def documents_of(run: Run) -> Document:
    return lambda path, record: leaf_at(run.root, path).records()[record]


@fewer
@given(runs(["rows", "documents"]), st.integers(0, STEPS), st.integers(0, STEPS))
def test_a_step_of_a_mix_is_explained(run: Run, saved: int, step: int) -> None:
    dataset = run.dataset()
    iterator = iter(dataset)
    batches: dict[int, rd.LLMBatch] = {}
    state = None
    for at in range(STEPS + 1):
        state = through_json(iterator.get_state()) if at == saved else state
        if (batch := next(iterator, None)) is not None:
            batches[at] = batch
    if step not in batches:
        with pytest.raises(rd.PipelineError, match=f"there is no step {step}: the data ends after"):
            dataset.explain(step)
        return

    for why in (dataset.explain(step), dataset.explain(step, state=state)):
        check(why, batches[step], documents_of(run), text="targets", pad=0)


@fewer
@given(st.data(), runs(["rows", "documents"], ["first_exhausted"], nested=False, endless=True))
def test_a_step_after_an_edit_is_explained_from_a_state_after_it(data: st.DataObject, run: Run) -> None:
    before, kind = iter(run.dataset()), data.draw(st.sampled_from(sorted({*EDITS} - {"epochs"})))
    for _ in range(data.draw(st.integers(0, 4))):
        next(before)
    state = through_json(before.get_state())
    changed = edited(data.draw, run, kind, {*run.root.children})
    iterator = iter(changed.dataset())
    if run.level == "documents" and is_refused(iterator, state, EDITS[kind]):
        return
    iterator.set_state(state, allow=EDITS[kind])
    if iterator.step < 4:
        iterator.skip(data.draw(st.integers(1, 3)), at=4)
    after = through_json(iterator.get_state())

    for step, batch in zip(range(iterator.step, iterator.step + 4), iterator, strict=False):
        check(changed.dataset().explain(step, state=after), batch, documents_of(changed), text="targets", pad=0)
        allowed = changed.dataset().explain(step, state=state, allow=EDITS[kind]) if step < 4 else None
        assert allowed is None or allowed == changed.dataset().explain(step, state=after)


@fewer
@given(pipelines(), st.integers(1, STEPS), st.integers(0, 4), st.data())
def test_when_is_the_inverse_of_explain(pipeline: Pipeline, until: int, saved: int, data: st.DataObject) -> None:
    dataset = pipeline.dataset()
    iterator, explained = iter(dataset), {}
    state = through_json(iterator.get_state())
    first = 0
    for step in range(until):
        if step == saved:
            state, first = through_json(iterator.get_state()), step
        if next(iterator, None) is None:
            break
        explained[step] = dataset.explain(step)
    record = data.draw(st.integers(0, len(pipeline.lengths) - 1))
    places = [
        (step, row)
        for step, why in explained.items()
        if step >= first
        for row, spans in enumerate(why.rows)
        if any(span.record == record for span in spans)
    ]

    assert [tuple(found) for found in dataset.when("data", record, until=until, state=state)] == places
    if places:
        of_next = [place for place in places if place[0] == places[0][0]]
        assert [tuple(found) for found in dataset.when("data", record, state=state)] == of_next


@fewer
@given(pipelines(finite=True), st.integers(1, 4))
def test_every_process_explains_the_whole_batch(pipeline: Pipeline, processes: int) -> None:
    pipeline = replace(pipeline, batch_size=4 * pipeline.batch_size)
    processes = {3: 2}.get(processes, processes)
    whole = pipeline.dataset()
    if next(iter(whole), None) is None:
        return

    of_processes: Mapping[int, Any] = {
        process: pipeline.dataset(process=(process, processes)).explain(0) for process in range(processes)
    }
    assert all(why == whole.explain(0) for why in of_processes.values())
