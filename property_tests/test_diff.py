"""``diff`` finds the same step as comparing the batches themselves, one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.test_explain import small_blocks  # noqa: F401 - a fixture
from property_tests.testing.mixes import LENGTH, Run, leaves, runs, weights_of
from property_tests.testing.running import raw, through_json

STEPS = 12
fewer = settings(max_examples=settings.default.max_examples // 4)


def first_difference(one: rd.Dataset[rd.LLMBatch], other: rd.Dataset[rd.LLMBatch]) -> int | None:
    """Returns the first step at which the batches differ, or only one run has ended."""
    batches = [[raw(batch) for batch in islice(iter(data), STEPS)] for data in (one, other)]
    for step in range(max(map(len, batches))):
        if [found[step : step + 1] for found in batches].count(batches[0][step : step + 1]) < 2:
            return step
    return None


def distinct(run: Run) -> bool:
    """Says whether a token tells its component: no two components have the same token."""
    firsts = [leaf.first for leaf in leaves(run.root)]
    return len(firsts) == len(set(firsts))


@fewer
@given(st.data(), runs(["rows", "documents"], nested=False).filter(distinct))
def test_the_first_step_that_differs_is_found(data: st.DataObject, run: Run) -> None:
    changed = run
    for change in data.draw(st.lists(st.sampled_from(["weights", "window", "sizes", "seed", "nothing"]), max_size=2)):
        if change == "weights":
            names = sorted(run.root.children)
            late = (data.draw(st.integers(1, STEPS)), data.draw(weights_of(names, zeros=False)))
            points = tuple(point for point in run.root.points if point[0] < late[0])
            changed = replace(changed, root=replace(changed.root, points=(*points, late)))
        elif change == "window":
            changed = replace(changed, window=data.draw(st.integers(1, 12)))
        elif change == "sizes":
            changed = replace(changed, sizes=((0, run.sizes[0][1]), (data.draw(st.integers(1, STEPS)), 3)))
        elif change == "seed":
            children = dict(changed.root.children)
            name = data.draw(st.sampled_from(sorted(children)))
            children[name] = replace(children[name], seed=data.draw(st.none() | st.integers(0, 3)))
            changed = replace(changed, root=replace(changed.root, children=children))
    one, other = run.dataset(), changed.dataset()
    expected = first_difference(one, other)

    found = rd.diff(one, other, until=STEPS, progress=False)

    assert found.first_step == expected
    if expected is not None:
        assert [side and side.row_length for side in (found.before, found.after)].count(LENGTH) >= 1
    assert rd.diff(one, one, until=STEPS, progress=False).same


@fewer
@given(
    runs(["rows", "documents"], ["first_exhausted"], nested=False, endless=True), st.integers(0, 6), st.integers(1, 4)
)
def test_a_skip_moves_nothing_else(run: Run, step: int, count: int) -> None:
    data, iterator = run.dataset(), iter(run.dataset())
    for _ in range(step):
        next(iterator)
    before = through_json(iterator.get_state())
    iterator.skip(count)

    found = rd.diff((data, before), iterator, progress=False)

    assert found.settings == ()
    if len(run.sizes) == 1 and found.first_step is not None and len(run.root.points) == 1:
        assert found.first_step >= step
        assert found.shift is not None
