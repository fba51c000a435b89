"""Edits of a running job: the past stays as it was, and the rest is as if the run had always had that history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.test_mix import delivered
from property_tests.testing.mixes import NAMES, Leaf, Mixed, Run, leaves, leaves_of, runs, weights_of, with_epochs
from property_tests.testing.oracle.mix import OracleRun
from property_tests.testing.running import at_state, take, through_json

many = settings(max_examples=settings.default.max_examples // 4)
several = settings(max_examples=settings.default.max_examples // 4)
steps = st.integers(0, 5)
EDITS = {
    "weights": ("weights",),
    "batch": ("batch",),
    "data": ("data",),
    "epochs": ("epochs",),
    "added": ("sources", "weights"),
    "removed": ("sources", "weights"),
    "all": ("batch", "weights"),
}


@pytest.fixture(scope="module", autouse=True)
def small_blocks() -> Iterator[None]:
    """Plans few rows of a mix at once: this is quicker here, and many blocks end within a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resumable_data.planning.mixed._ROWS_AT_ONCE", 24)
        yield


def edited(draw: Any, run: Run, kind: str, used: set[str]) -> Run:
    """Returns the same run with a change. Names of ``used`` are not given to new components."""
    if kind in ("batch", "all"):
        run = replace(run, sizes=tuple((step, draw(st.integers(1, 6))) for step in (0, draw(st.integers(1, 9)))))
    if kind == "epochs":
        # Never fewer epochs than before, as the run may be in one of them.
        most = max((leaf.epochs or 0 for leaf in leaves(run.root)), default=0)
        return with_epochs(run, draw(st.integers(max(4, most), max(6, most))))
    if kind == "batch":
        return run
    if kind == "data":
        children = {name: grown(draw, child) for name, child in run.root.children.items()}
        return replace(run, root=replace(run.root, children=children))
    root, names = run.root, set(run.root.children)
    children = dict(root.children)
    if kind == "added" and used < set(NAMES):
        name = draw(st.sampled_from(sorted(set(NAMES) - used)))
        children[name] = draw(leaves_of(endless=True))
    elif kind == "removed" and len(names) > 1:
        del children[draw(st.sampled_from(sorted(names)))]
    points = [
        (step, draw(weights_of(sorted(children)))) for step in (0, *draw(st.sets(st.integers(1, 20), max_size=1)))
    ]
    return replace(run, root=replace(root, children=children, points=tuple(points)))


def grown(draw: Any, child: Leaf | Mixed) -> Leaf | Mixed:
    """Returns a component with more records at its end, or with the same ones."""
    more = draw(st.lists(st.integers(1, 9), max_size=6))
    return replace(child, lengths=(*child.lengths, *more)) if isinstance(child, Leaf) else child


def is_refused(iterator: rd.DataIterator[Any], state: Any, allow: tuple[str, ...]) -> bool:
    """Says whether an edit is refused: it removes components of the group in progress, or has no epoch left."""
    before = iterator.get_state()
    try:
        iterator.set_state(state, allow)
    except rd.PipelineMismatchError as error:
        if "cannot be removed here" not in str(error) and "no further epoch" not in str(error):
            raise
        assert iterator.get_state() == before
        return True
    return False


def check_edits(data: st.DataObject, run: Run, kinds: list[str]) -> None:
    """Checks edits at random steps. Each is restored again from a later state."""
    oracle, iterator, dataset, used = OracleRun(run), iter(run.dataset()), run.dataset(), set(run.root.children)
    for kind in kinds:
        count = data.draw(steps)
        expected = oracle.take(count)
        assert delivered(iterator, count) == expected
        if len(expected) < count:
            return  # the oracle has drawn the remainder
        state = through_json(iterator.get_state())
        changed = edited(data.draw, run, kind, used)
        new, edits = iter(changed.dataset()), iterator.edits
        if (run.level == "documents" or kind == "data") and is_refused(new, state, EDITS[kind]):
            continue
        new.set_state(state, allow=EDITS[kind])
        if changed != run:
            oracle.edit(changed)
        run, iterator, dataset, used = changed, new, changed.dataset(), used | set(changed.root.children)
        assert iterator.edits[: len(edits)] == edits
        for edit in iterator.edits[len(edits) :]:
            assert (edit.step, edit.rows) == (oracle.step, oracle.rows)
            assert edit.kind != "setting" or edit.before != edit.after
        count = data.draw(steps)
        expected = oracle.take(count)
        assert delivered(iterator, count) == expected
        if len(expected) < count:
            return
        iterator = at_state(dataset, iterator.get_state())
    assert delivered(iterator, 8) == oracle.take(8)


kinds = st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=3)


@many
@given(st.data(), runs(["rows"], ["first_exhausted"], nested=False), kinds)
def test_an_edited_mix_of_rows_is_as_the_oracle_has_it(data: st.DataObject, run: Run, kinds: list[str]) -> None:
    if "epochs" in kinds:
        run = with_epochs(run, data.draw(st.integers(1, 3)))
    check_edits(data, run, kinds)


@many
@given(st.data(), runs(["documents"], ["first_exhausted"], nested=False, endless=True), kinds)
def test_an_edited_mix_of_documents_is_as_the_oracle_has_it(data: st.DataObject, run: Run, kinds: list[str]) -> None:
    check_edits(data, run, [kind for kind in kinds if kind != "epochs"])


def test_a_new_first_component_leaves_the_group_in_progress_alone() -> None:
    old, new = Leaf(1, (3,) * 40, seed=1), Leaf(2, (3,) * 40, seed=9)
    run = Run(Mixed({"b": old}, ((0, {"b": 1}),)), "documents", ((0, 1),), window=12)
    more = replace(run, root=Mixed({"a": new, "b": old}, ((0, {"a": 1, "b": 1}),)))
    iterator, edited_one = iter(run.dataset()), iter(more.dataset())
    take(iterator, 2)
    edited_one.set_state(iterator.get_state(), allow={"sources"})

    assert take(edited_one, 4) == take(iterator, 4)


def test_epochs_are_not_changed_in_a_group_in_which_they_end() -> None:
    children = {"a": Leaf(1, (3,) * 3, epochs=1), "b": Leaf(2, (3,) * 20, epochs=1)}
    mix = Mixed(children, ((0, {"a": 1, "b": 1}),), stop="renormalize")
    run = Run(mix, "documents", ((0, 1),), window=12)
    iterator, new = iter(run.dataset()), iter(with_epochs(run, 2).dataset())
    take(iterator, 4)
    with pytest.raises(rd.PipelineMismatchError, match=r"epochs of \['a', 'b'\] cannot be changed here"):
        new.set_state(iterator.get_state(), allow={"epochs"})

    assert new.step == 0


def test_more_epochs_leave_the_group_in_progress_alone() -> None:
    children = {"a": Leaf(1, (3,) * 30, epochs=1), "b": Leaf(2, (3,) * 20, epochs=1)}
    run = Run(Mixed(children, ((0, {"a": 1, "b": 1}),)), "documents", ((0, 1),), window=12)
    iterator, new = iter(run.dataset()), iter(with_epochs(run, 2).dataset())
    take(iterator, 2)
    new.set_state(iterator.get_state(), allow={"epochs"})

    assert take(new, 4) == take(iterator, 4)


def test_a_component_with_more_epochs_is_drawn_from_again() -> None:
    children = {"a": Leaf(1, (6,) * 2, epochs=1, window=2), "b": Leaf(2, (6,) * 9, epochs=1)}
    run = Run(Mixed(children, ((0, {"a": 1, "b": 1}),), stop="renormalize"), sizes=((0, 1),))
    iterator, new = iter(run.dataset()), iter(with_epochs(run, 2).dataset())
    take(iterator, 6)
    new.set_state(iterator.get_state(), allow={"epochs"})
    take(new, 100)

    assert new.progress().components["a"].epochs == 2


def sequence_of(run: Run, name: str) -> list[list[int]]:
    """Returns a component's own rows: the rows of a mix in which it is alone."""
    alone = replace(run, root=Mixed({name: run.root.children[name]}, ((0, {name: 1}),)), sizes=((0, 1),))
    return [row for batch in delivered(iter(alone.dataset()), 176) for row in batch["targets"]]


@several
@given(st.data(), runs(["rows"], ["first_exhausted"], nested=False, endless=True), steps, steps)
def test_each_component_delivers_a_prefix_of_its_rows(data: st.DataObject, run: Run, before: int, after: int) -> None:
    names = sorted(run.root.children)
    children = {name: replace(run.root.children[name], first=k + 1) for k, name in enumerate(names)}
    # The batch decides the slots: after each batch a component has its first rows, in any order.
    run = replace(run, root=replace(run.root, children=children), shards=run.shards or 4)
    changed = edited(data.draw, run, "all", set())
    iterator, new = iter(run.dataset()), iter(changed.dataset())
    found = delivered(iterator, before)
    new.set_state(through_json(iterator.get_state()), allow={"weights", "batch"})
    rows = [row for batch in found + delivered(new, after) for row in batch["targets"]]

    for k, name in enumerate(names):
        own = [row for row in rows if row[0] // 1000 == k + 1]
        assert sorted(own) == sorted(sequence_of(run, name)[: len(own)])
        assert new.progress().components[name].rows == len(own)
    assert len(rows) == new.progress().rows


@several
@given(st.data(), runs(["rows", "documents"], ["first_exhausted"], nested=False, endless=True), steps)
def test_an_edit_without_allow_is_refused_and_changes_nothing(data: st.DataObject, run: Run, before: int) -> None:
    kind = data.draw(st.sampled_from(sorted(EDITS)))
    changed = edited(data.draw, run, kind, set(run.root.children))
    assume(changed.dataset().__iter__().description() != run.dataset().__iter__().description())
    old, new = iter(run.dataset()), iter(changed.dataset())
    take(old, before)
    take(new, 2)
    state, position = old.get_state(), new.get_state()

    with pytest.raises(rd.PipelineMismatchError) as caught:
        new.set_state(state)
    assert caught.value.args[0].count("\n") >= 2
    assert new.get_state() == position
    assert new.edits == ()
    assert take(new, 3) == take(at_state(changed.dataset(), position), 3)


constant = runs(["rows", "documents"], nested=False).map(lambda run: replace(run, sizes=run.sizes[:1]))
skips = st.dictionaries(st.integers(0, 5), st.integers(1, 3), min_size=1, max_size=3).map(
    lambda skips: list(skips.items())
)


@several
@given(constant, skips, st.integers(0, 9), st.none() | st.integers(1, 3), st.booleans())
def test_a_run_that_skips_equals_the_whole_run_without_those_batches(
    run: Run, skips: list[tuple[int, int]], resume: int, prefetch: int | None, ahead: bool
) -> None:
    whole = take(iter(run.dataset()), 30)
    batches: list[int] = []
    for place in range(30):  # the numbers of the remaining batches
        skipped = sum(count for at, count in skips if at <= place)
        batches.append(place + skipped)
    expected = [whole[number] for number in batches if number < len(whole)][:12]

    iterator = iter(run.dataset(prefetch=prefetch))
    found: list[Any] = []
    if ahead:
        for at, count in skips:
            iterator.skip(count, at=at)
    for step in range(13):
        if not ahead:
            for count in (count for at, count in skips if at == step):
                iterator.skip(count)
        if step == resume:
            iterator = at_state(run.dataset(prefetch=prefetch), iterator.get_state())
        found += take(iterator, 1) if step < 12 else []
        if len(found) <= step:
            break

    assert found == expected
    assert json.dumps(at_state(run.dataset(), iterator.get_state()).get_state()) == json.dumps(iterator.get_state())
    assert [edit.after for edit in iterator.edits if edit.kind == "skip"] == [
        count for _, count in (skips if ahead else sorted(skips, key=lambda skip: skip[0])) if ahead or _ <= step
    ]
