"""``simulate`` counts the same as the delivered batches."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.test_explain import small_blocks  # noqa: F401 - a fixture
from property_tests.testing.mixes import SPACING, Run, leaves, runs
from property_tests.testing.running import through_json
from property_tests.testing.strategies import Pipeline, pipelines

fewer = settings(max_examples=settings.default.max_examples // 5)


@fewer
@given(pipelines(), st.integers(1, 10), st.integers(0, 3))
def test_one_component_is_counted_as_it_is_delivered(pipeline: Pipeline, steps: int, before: int) -> None:
    data = pipeline.dataset()
    with iter(data) as iterator:
        delivered = sum(1 for _ in islice(iterator, before))
        state = through_json(iterator.get_state())
        at_first = iterator.progress()
        batches = list(islice(iterator, steps))
        ended = next(iterator, None) is None

    found = data.simulate(steps, state=state, progress=False)

    assert (found.first, found.steps, found.ended) == (delivered, len(batches), ended)
    assert found.rows == sum(len(batch.inputs) for batch in batches)
    segments = [batch.inputs_segmentation for batch in batches]
    if pipeline.shift in ("targets", "none"):
        assert found.tokens == sum(int(np.count_nonzero(one)) for one in segments)
    (component,) = found.components
    with iter(data) as iterator:
        iterator.set_state(state)
        for _ in range(steps):
            next(iterator, None)
        at_last = iterator.progress()
    assert found.tokens == component.tokens == at_last.tokens - at_first.tokens
    assert component.documents == at_last.documents - at_first.documents
    assert sum(found.over_time.tokens["data"]) == found.tokens


@fewer
@given(runs(["rows", "documents"], nested=False), st.integers(1, 12))
def test_a_mix_is_counted_as_it_is_delivered(run: Run, steps: int) -> None:
    firsts = {name: leaf.first for name, leaf in run.root.children.items()}
    if len(set(firsts.values())) < len(firsts):
        return  # tokens do not tell their component
    data = run.dataset()
    batches = list(islice(iter(data), steps))

    found = data.simulate(steps, progress=False)

    tokens = np.concatenate([batch.targets[batch.targets_segmentation > 0] for batch in batches] or [np.zeros(0)])
    assert {one.path: one.tokens for one in found.components} == {
        name: int(np.count_nonzero(tokens // SPACING == first)) for name, first in firsts.items()
    }
    assert found.steps == len(batches)
    assert len(leaves(run.root)) == len(found.components)


def test_long_runs_are_kept_in_few_stretches() -> None:
    data = rd.Dataset.from_source(rd.SyntheticSource(10, [3])).repeat().pad(3, eod_id=0).batch(2)
    found = data.simulate(1001, progress=False)
    assert len(found.over_time.steps) <= 200
    assert sum(found.over_time.documents["data"]) == 2002
    assert np.diff(found.over_time.steps).tolist() == [8] * (len(found.over_time.steps) - 1)


def test_endless_data_needs_steps() -> None:
    data = rd.Dataset.from_source(rd.SyntheticSource(10, [3])).repeat().pad(3, eod_id=0).batch(2)
    with pytest.raises(rd.PipelineError, match="give the number of steps: steps="):
        data.simulate()
