"""Mixes equal those of an oracle that computes with fractions, with and without interruptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.mixes import Leaf, Mixed, Run, runs
from property_tests.testing.oracle.mix import OracleRun
from property_tests.testing.running import FIELDS, at_state, joined, raw, take, through_json

LIMIT = 12
fewer = settings(max_examples=settings.default.max_examples // 4)
steps = st.integers(0, 6)


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Plans few rows of a mix at once: this is quicker here, and many blocks end within a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resumable_data.planning.mixed._ROWS_AT_ONCE", 24)
        yield


def delivered(iterator: Any, count: int) -> list[Any]:
    """Returns the next elements as the oracle has them: fields of batches, or tokens of documents."""
    return [
        {name: getattr(element, name).tolist() for name in FIELDS}
        if isinstance(element, rd.LLMBatch)
        else np.asarray(element).tolist()
        for element in islice(iterator, count)
    ]


@given(runs())
def test_a_mix_is_as_the_oracle_has_it(run: Run) -> None:
    limit = 4 * LIMIT if run.level == "bare" else LIMIT

    assert delivered(iter(run.dataset()), limit) == OracleRun(run).take(limit)


@fewer
@given(runs(), st.lists(st.tuples(steps, st.sampled_from(["fresh", "used", "itself"])), max_size=4))
def test_interruptions_change_nothing(run: Run, interruptions: list[tuple[int, str]]) -> None:
    whole = take(iter(run.dataset()), LIMIT)

    iterator, found = iter(run.dataset()), []
    for count, onto in interruptions:
        found += take(iterator, min(count, LIMIT - len(found)))
        state = through_json(iterator.get_state())
        if onto == "itself":
            take(iterator, 3)
        else:
            iterator = iter(run.dataset())
            take(iterator, {"fresh": 0, "used": 3}[onto])
        iterator.set_state(state)
        assert iterator.step == len(found)
    found += take(iterator, LIMIT - len(found))

    assert found == whole


@fewer
@given(runs(), steps, steps)
def test_a_position_has_one_state_that_serves_twice(run: Run, before: int, after: int) -> None:
    dataset = run.dataset()
    straight = iter(dataset)
    take(straight, before)
    first, second = at_state(dataset, straight.get_state()), at_state(dataset, straight.get_state())

    assert take(straight, after) == take(first, after) == take(second, after)
    assert json.dumps(straight.get_state()) == json.dumps(first.get_state()) == json.dumps(second.get_state())


@settings(max_examples=settings.default.max_examples // 10)
@given(runs(["rows", "documents"]), st.data())
def test_processes_together_have_the_global_batch(run: Run, data: st.DataObject) -> None:
    whole = take(iter(run.dataset()), LIMIT)
    counts = [count for count in range(1, 9) if not any(size % count for _, size in run.sizes)]

    state, found = iter(run.dataset()).get_state(), []
    for stay in data.draw(st.lists(steps, max_size=3)):
        count = data.draw(st.sampled_from(counts))
        processes = [at_state(run.dataset(process=(index, count)), state) for index in range(count)]
        parts = islice(zip(*processes, strict=True), min(stay, LIMIT - len(found)))
        found += [raw(joined(batches)) for batches in parts]
        states = [process.get_state() for process in processes]
        assert states == states[:1] * count
        state = states[0]
    found += take(at_state(run.dataset(), state), LIMIT - len(found))

    assert found == whole


@fewer
@given(runs(), st.integers(1, 5))
def test_prefetching_changes_nothing(run: Run, ahead: int) -> None:
    plain, prefetching = iter(run.dataset()), iter(run.dataset(prefetch=ahead))
    for _ in range(LIMIT):
        assert prefetching.get_state() == plain.get_state()
        element = take(plain, 1)
        assert take(prefetching, 1) == element
        if not element:
            break


@fewer
@given(runs(["rows", "documents"]), steps)
def test_progress_counts_what_was_delivered_and_survives_a_resume(run: Run, count: int) -> None:
    oracle, iterator = OracleRun(run), iter(run.dataset())
    batches = [rows for _ in range(count) if (rows := oracle.next_rows()) is not None]
    take(iterator, count)
    progress = iterator.progress()
    rows = [row for batch in batches for row in batch if row.spans]
    tokens = sum(len(span.tokens) for row in rows for span in row.spans)

    assert (progress.step, progress.rows, progress.tokens) == (len(batches), len(rows), tokens)
    assert progress.documents == sum(span.offset == 0 for row in rows for span in row.spans)
    assert progress.padding == pytest.approx(1 - tokens / (6 * len(rows)) if rows else 0)
    assert progress.tokens == sum(counts.tokens for counts in progress.components.values())
    assert at_state(run.dataset(), iterator.get_state()).progress() == progress


@fewer
@given(runs(["rows"], scheduled=False, nested=False, endless=True), st.integers(1, LIMIT))
def test_progress_tells_shares_and_epochs(run: Run, count: int) -> None:
    iterator = iter(run.dataset())
    take(iterator, count)
    progress = iterator.progress()

    assert sum(counts.share for counts in progress.components.values()) == pytest.approx(1)
    assert sum(counts.target for counts in progress.components.values()) == pytest.approx(1)
    for name, counts in progress.components.items():
        assert counts.share == pytest.approx(counts.rows / progress.rows)
        assert abs(counts.share - counts.target) < 1 / progress.rows
        # A group is in one epoch, so it is at most one group away from the documents that began or are left out.
        leaf = run.root.children[name]
        assert isinstance(leaf, Leaf)
        if leaf.lengths_are == "known":
            assert abs(counts.epochs - counts.documents / len(leaf.lengths)) <= leaf.window / len(leaf.lengths)


@pytest.mark.parametrize("of_rows", [True, False])
def test_one_source_under_two_names_has_two_orders(of_rows: bool) -> None:
    leaf = Leaf(1, (2,) * 40, seed=7, window=8)
    run = Run(Mixed({"a": leaf, "b": leaf}, ((0, {"a": 1, "b": 1}),)), "rows" if of_rows else "bare", ((0, 8),))
    found = delivered(iter(run.dataset()), 10 if of_rows else 80)
    samples = [row for batch in found for row in batch["targets"]] if of_rows else found

    first, second = ([tuple(sample) for sample in samples[part::2]] for part in (0, 1))
    assert first != second
    assert of_rows or sorted(first) == sorted(second)


def test_a_packed_mix_of_documents_is_a_component_of_a_mix_of_rows() -> None:
    inner = Mixed({"a": Leaf(1, (3,) * 9), "b": Leaf(2, (3,) * 9)}, ((0, {"a": 1, "b": 1}),)).dataset(False)
    packed = inner.pack(6, eod_id=0, window=4)
    dataset = rd.mix({"x": packed, "y": Leaf(3, (3,) * 9).rows()}).batch(2)
    iterator = iter(dataset)
    take(iterator, 3)

    assert {"x/a", "x/b", "y"} <= iterator.get_state()["components"].keys()
    assert take(at_state(dataset, iterator.get_state()), 3) == take(iterator, 3)


def test_a_shifted_mix_of_rows_is_a_component_of_a_mix_of_rows() -> None:
    inner = Mixed({"a": Leaf(1, (3,) * 9), "b": Leaf(2, (3,) * 9)}, ((0, {"a": 1, "b": 1}),)).dataset(True)
    dataset = rd.mix({"x": inner.shift("none"), "y": Leaf(3, (3,) * 9).rows().shift("none")}).batch(2)
    iterator = iter(dataset)
    take(iterator, 3)

    assert {"x/a", "x/b", "y"} <= iterator.get_state()["components"].keys()
    assert take(at_state(dataset, iterator.get_state()), 3) == take(iterator, 3)


@pytest.mark.parametrize("count", [1, 10, 100])
@pytest.mark.parametrize("of_rows", [True, False])
def test_a_state_is_small(count: int, of_rows: bool) -> None:
    names = [f"source{k:02}" for k in range(count)]
    assert {len(name) for name in names} == {8}
    leaf_of = {name: Leaf(k + 1, (3, 5, 7) * 20, seed=7, window=16) for k, name in enumerate(names)}
    mix = Mixed(leaf_of, ((0, {name: k + 1.5 for k, name in enumerate(names)}),))
    iterator = iter(Run(mix, "rows" if of_rows else "documents", ((0, 64),), window=64).dataset())
    take(iterator, 20)
    state = {**iterator.get_state(), "edits": []}

    assert len(json.dumps(state, separators=(",", ":"))) <= 1024 + 160 * count
