"""Rows of another length from some step on: every token is delivered once an epoch, and a position is one place."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from property_tests.testing.mixes import Run, leaves, runs, with_epochs
from property_tests.testing.running import at_state, take, through_json

fewer = settings(max_examples=settings.default.max_examples // 2)
steps = st.integers(0, 6)
changes = st.lists(st.tuples(steps, st.integers(1, 14)), min_size=1, max_size=3)


def delivered(batches: Sequence[Any]) -> Counter[int]:
    """Counts the tokens of batches; 0 is padding."""
    return Counter(token for batch in batches for token in batch.targets.ravel().tolist() if token)


def tokens_of(run: Run) -> Counter[int]:
    """Counts the tokens of all epochs of all components, without what a filter drops."""
    found: Counter[int] = Counter()
    for leaf in leaves(run.root):
        for document in leaf.records():
            if leaf.lengths_are != "filtered" or len(document) != 2:
                found.update(document * (leaf.epochs or 0))
    return found


@fewer
@given(runs(["rows", "documents"], ["renormalize"]), st.integers(1, 3), changes)
def test_no_token_is_lost_or_repeated(run: Run, epochs: int, changes: list[tuple[int, int]]) -> None:
    run = with_epochs(replace(run, drop_remainder=False), epochs)
    iterator, found = iter(run.dataset()), Counter[int]()
    for count, length in changes:
        found += delivered(list(islice(iterator, count)))
        run, state = replace(run, length=length), through_json(iterator.get_state())
        iterator = iter(run.dataset())
        iterator.set_state(state, allow={"length"})
    rest = list(iterator)

    assert all(batch.targets.shape[1] == run.length for batch in rest)
    assert found + delivered(rest) == tokens_of(run)
    progress = iterator.progress()
    assert progress.tokens == tokens_of(run).total()
    assert at_state(run.dataset(), iterator.get_state()).get_state() == iterator.get_state()


@fewer
@given(runs(["rows", "documents"], endless=True, nested=False), changes, steps, st.integers(1, 3))
def test_a_changed_run_resumes_anywhere_and_on_any_processes(
    run: Run, changes: list[tuple[int, int]], interrupted: int, processes: int
) -> None:
    run = replace(run, sizes=tuple((step, size * processes) for step, size in run.sizes))
    iterator = iter(run.dataset())
    for count, length in changes:
        take(iterator, count)
        run, state = replace(run, length=length), through_json(iterator.get_state())
        iterator = iter(run.dataset())
        iterator.set_state(state, allow={"length"})
    state = through_json(iterator.get_state())
    whole = take(iterator, interrupted + 5)

    again = at_state(run.dataset(), state)
    found = take(again, interrupted)
    again = at_state(run.dataset(), again.get_state())
    assert found + take(again, 5) == whole
    parts = [at_state(run.dataset(process=(process, processes)), state) for process in range(processes)]
    of_parts = [[next(part).targets for _ in range(5)] for part in parts]
    alone = at_state(run.dataset(), state)
    for step in range(5):
        assert np.concatenate([part[step] for part in of_parts]).tolist() == next(alone).targets.tolist()
