"""Planners of mixes, which draw in blocks.

A worked example of a mix of documents. Component a has 4 documents, again and again, and b has 10. The weights are 2
to 1, so that the mixed stream is a0 a1 b0, a2 a3 b1, a0 a1 b2, a2 a3 b3, … With windows of 3 documents and 2 logical
shards a group is 6 documents of this stream, whichever component and epoch they come from. The first two groups are
smaller, so that the first batch comes sooner:

    from document 0:   shard 0: a0 a1 b0
    from document 3:   shard 1: a2 a3 b1
    from document 6:   shard 0: a0 a1 b2   shard 1: a2 a3 b3

A worked example of a mix of rows. The lengths of a are known, so that it has one shard and its rows have no owner.
They are a0 a1 a2 a3 a0 … The lengths of b are measured by 2 shards, in one group of 4 windows: shard 0 measures b0 b1
b4 b5, shard 1 measures b2 b3 b6 b7, and their rows take turns. With equal weights the mix has a row of each in turn:

    row:     a0 b0 a1 b2 a2 b1 a3 b3 a0 b4 a1 b6 …
    owner:    -  0  -  1  -  0  -  1  -  0  -  1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.toy_lengths import ToyLengths, ask_for_states, saved, stream
from resumable_data.digest import digest_to_number
from resumable_data.order.sequence import NO_SHARD
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.planning.groups import EndlessGroups, EpochGroups
from resumable_data.planning.mixed import Blocks, MixedDocuments, MixedRows, join_documents, join_rows
from resumable_data.planning.mixer import Mixer
from resumable_data.planning.packed_group import Packing
from resumable_data.planning.packed_rows import PackedRows
from resumable_data.planning.planner import Saved
from resumable_data.planning.weights import WeightSchedule
from resumable_data.state import At

Weights = Mapping[str, float]
LENGTHS = ToyLengths([[1] * 4, [1] * 10])
SINGLE = Packing(1, "first_fit")


def documents_mixer(
    weights: Weights, stop: str = "first_exhausted", epochs: tuple[int | None, int | None] = (None, None)
) -> Mixer[DocumentPlan]:
    children = [stream(4, epochs[0], path="a"), stream(10, epochs[1], path="b", reader=1, drops=True)]
    schedule = WeightSchedule({0: weights})
    return Mixer("*", "mix", ["a", "b"], children, schedule, int, stop, endless=False, join=join_documents)


def mixed_documents(weights: Weights, **settings: Any) -> MixedDocuments:
    return MixedDocuments(documents_mixer(weights, **settings))


def rows_mixer(weights: Weights, stop: str = "first_exhausted", epochs: int | None = None) -> Mixer[RowPlan]:
    known = PackedRows(EpochGroups(stream(4, epochs, path="a"), 4, 1), "a", SINGLE, LENGTHS)
    lengths = ToyLengths([[], [1] * 8], known=False)
    measured = PackedRows(EpochGroups(stream(8, epochs, path="b", reader=1), 2, 2), "b", SINGLE, lengths)
    schedule = WeightSchedule({0: weights})
    return Mixer("*", "mix", ["a", "b"], [known, measured], schedule, int, stop, endless=False, join=join_rows)


def mixed_rows(weights: Weights, **settings: Any) -> MixedRows:
    return MixedRows(rows_mixer(weights, **settings))


def names(plan: DocumentPlan | RowPlan) -> str:
    """Component and record of each document, or of each row, which has one."""
    return " ".join(f"{'ab'[reader]}{record}" for reader, record in zip(plan.reader, plan.record, strict=True))


def state(at: dict[str, At], weights: Weights, rows: int = 0) -> Saved:
    """What a state says of a pipeline that had these weights."""
    json = {"between": "constant", "points": [[0, dict(weights)]]}
    return replace(saved(at, rows), settings={"mix": {"stop": "first_exhausted", "weights": json}})


EVEN, TWO_TO_ONE, ONLY_B = {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 0, "b": 1}


# The worked examples


def test_groups_of_a_mix_of_documents() -> None:
    groups = EndlessGroups(mixed_documents(TWO_TO_ONE), 3, 2)
    takes = groups.takes(groups.start())
    first, second, third = next(takes), next(takes), next(takes)

    assert [names(window) for window in first.windows] == ["a0 a1 b0"]
    assert [names(window) for window in second.windows] == ["a2 a3 b1"]
    assert [names(window) for window in third.windows] == ["a0 a1 b2", "a2 a3 b3"]
    assert [list(take.shards) for take in (first, second, third)] == [[0], [1], [0, 1]]
    assert groups.row_key(second.after, 1) == (6, 1)


def test_rows_of_a_mix_keep_the_order_of_their_component_and_their_owner() -> None:
    plan, _ = mixed_rows(EVEN).take(mixed_rows(EVEN).start(), 12)

    assert names(plan) == "a0 b0 a1 b2 a2 b1 a3 b3 a0 b4 a1 b6"
    assert plan.owner is not None
    assert plan.owner.tolist() == [NO_SHARD, 0, NO_SHARD, 1] * 3


def test_a_mix_of_known_rows_has_no_owners() -> None:
    plan, _ = mixed_rows({"a": 1, "b": 0}).take(mixed_rows({"a": 1, "b": 0}).start(), 3)

    assert names(plan) == "a0 a1 a2"
    assert plan.owner is None


@pytest.mark.parametrize("rows", [1, 37, 700])
def test_the_state_of_a_cursor_measures_nothing_however_far_others_went(rows: int) -> None:
    planner = mixed_rows(EVEN)
    lengths = planner.mixer.children[1]._lengths
    cursors = [planner.start()]
    for _ in range(40):
        cursors.append(planner.take(cursors[-1], rows)[1])
    measured = len(lengths.measured)
    ask_for_states(planner, cursors)
    assert len(lengths.measured) == measured


# Blocks


@given(st.integers(1, 9), st.integers(1, 9), st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_blocks_leave_no_trace(size: int, first: int, counts: Sequence[int]) -> None:
    """Whatever the sizes of blocks, the samples and the exact cursor after them are those of single draws."""
    blocks, singles = Blocks(documents_mixer(TWO_TO_ONE), size, first), Blocks(documents_mixer(TWO_TO_ONE), 1)
    cursor, single = blocks.start(), singles.start()
    for count in counts:
        stretches, cursor = blocks.slices(cursor, count)
        expected, single = singles.slices(single, count)
        found = " ".join(names(plan.slice(start, stop)) for plan, start, stop in stretches)
        assert found == " ".join(names(plan.slice(start, stop)) for plan, start, stop in expected)
        assert blocks.position(cursor) == singles.position(single)
        assert blocks.encode(cursor) == singles.encode(single)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.randoms())
def test_cursors_may_be_asked_about_in_any_order(counts: Sequence[int], random: Any) -> None:
    blocks = Blocks(documents_mixer(TWO_TO_ONE), 5, 2)
    cursors = [blocks.start()]
    for count in counts:
        cursors.append(blocks.slices(cursors[-1], count)[1])
    encoded = [Blocks(documents_mixer(TWO_TO_ONE), 5, 2).encode(cursor) for cursor in cursors]
    asked = list(range(len(cursors))) * 2
    random.shuffle(asked)

    for place in asked:
        assert blocks.encode(cursors[place]) == encoded[place]


def test_the_position_counts_samples() -> None:
    blocks = Blocks(documents_mixer(TWO_TO_ONE), 5)
    _, cursor = blocks.slices(blocks.start(), 7)

    assert (blocks.position(cursor), cursor.samples, cursor.anchor.place) == (7, 2, 5)
    assert blocks.encode(cursor) == {"a": (1, 1), "b": (0, 2), "*": (0, 0, 0, 5, 2)}


def test_the_first_blocks_are_smaller() -> None:
    blocks = Blocks(documents_mixer(TWO_TO_ONE), 5, 2)
    stretches, cursor = blocks.slices(blocks.start(), 13)

    assert [stop - start for _, start, stop in stretches] == [2, 4, 5, 2]
    assert blocks.position(cursor) == 13


def test_a_mix_ends_where_a_component_does() -> None:
    documents = mixed_documents(TWO_TO_ONE, epochs=(1, 1))
    plan, after = documents.take(documents.start(), 100)

    assert names(plan) == "a0 a1 b0 a2 a3 b1"
    assert len(documents.take(after, 1)[0]) == 0
    assert documents.finished(after)
    assert not documents.finished(documents.start())


def test_the_others_go_on_where_shares_are_renormalized() -> None:
    documents = mixed_documents(TWO_TO_ONE, stop="renormalize", epochs=(1, 1))
    plan, after = documents.take(documents.start(), 100)

    assert names(plan) == "a0 a1 b0 a2 a3 b1 b2 b3 b4 b5 b6 b7 b8 b9"
    assert documents.encode(after)["*"] == (0, 6, 1, 0, 8)


# What is said of a position


def test_a_mix_of_documents_tells_whose_they_are_and_which_may_be_dropped() -> None:
    documents = mixed_documents(TWO_TO_ONE)
    _, cursor = documents.take(documents.start(), 7)
    counts = documents.counts(cursor)

    assert (dict(documents.components), list(documents.dropping)) == ({0: "a", 1: "b"}, [1])
    assert documents.epoch(cursor) is None
    assert documents.most_dropped == 10_000_000
    assert (counts["a"].documents, counts["b"].documents) == (5, 2)
    assert (counts["a"].share, counts["a"].target) == pytest.approx((5 / 7, 2 / 3))


def test_a_mix_of_rows_counts_its_components() -> None:
    rows = mixed_rows(EVEN)
    _, cursor = rows.take(rows.start(), 5)
    counts = rows.counts(cursor, ended=False)

    assert rows.epoch(cursor) is None
    assert [(counts[name].rows, counts[name].documents) for name in "ab"] == [(3, 3), (2, 2)]
    assert (counts["a"].epochs, counts["b"].epochs) == (0.75, 0.25)


# States and edits


def test_every_cursor_of_documents_comes_back_from_its_integers() -> None:
    for position in range(20):
        documents = mixed_documents(TWO_TO_ONE)
        _, cursor = documents.take(documents.start(), position)
        expected, _ = documents.take(cursor, 9)
        again = mixed_documents(TWO_TO_ONE)
        found = again.decode(state(documents.encode(cursor), TWO_TO_ONE))

        assert again.position(found) == position
        assert names(again.take(found, 9)[0]) == names(expected)


def test_every_cursor_of_rows_comes_back_from_its_integers() -> None:
    for position in range(20):
        rows = mixed_rows(EVEN)
        _, cursor = rows.take(rows.start(), position)
        expected, _ = rows.take(cursor, 9)
        again = mixed_rows(EVEN)
        found = again.decode(state(rows.encode(cursor), EVEN))

        assert again.position(found) == position
        assert names(again.take(found, 9)[0]) == names(expected)


def test_changed_weights_of_rows_are_in_force_at_once() -> None:
    rows = mixed_rows(EVEN)
    _, cursor = rows.take(rows.start(), 3)
    edited = mixed_rows(ONLY_B)
    found = edited.decode(state(rows.encode(cursor), EVEN))

    assert names(edited.take(found, 4)[0]) == "b2 b1 b3 b4"
    assert edited.encode(found)["*"] == (0, 3, 0, 0, 0)


def packed(weights: Weights) -> PackedRows:
    """Rows of one document each. A group is 12 documents: 6 do not fill 8 rows, and b may drop documents."""
    return PackedRows(EndlessGroups(mixed_documents(weights), 6, 1), "*", SINGLE, LENGTHS)


def test_changed_weights_of_documents_wait_for_the_next_group() -> None:
    """The group that is delivered was drawn with the old weights; it is not drawn anew when a run is restored."""
    before = packed(TWO_TO_ONE)
    _, cursor = before.take(before.start(), 2)
    rest, _ = before.take(cursor, 10)
    edited = packed(ONLY_B)
    found = edited.decode(state(before.encode(cursor), TWO_TO_ONE, rows=2))
    plan, after = edited.take(found, 14)

    assert names(rest) == "b0 a2 a3 b1 a0 a1 b2 a2 a3 b3"
    assert names(plan) == names(rest) + " b4 b5 b6 b7"
    lengths = digest_to_number(np.ones(6, "<i8").tobytes(), np.ones(6, "<i8").tobytes())
    assert edited.encode(after)["*"] == (0, 12, 0, 0, 0, 4, 16, lengths, 1, 12)


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (11, rd.PipelineMismatchError, "have other lengths"),
        (13, rd.StateError, "a group of windows has 12 rows"),
        (10**9, rd.StateError, "a group of windows has 12 rows"),
    ],
)
def test_a_group_of_a_size_that_no_group_has_is_refused(size: int, error: type[Exception], message: str) -> None:
    planner = packed(TWO_TO_ONE)
    at = planner.encode(planner.take(planner.start(), 2)[1])
    at["*"] = (*at["*"][:-1], size)
    with pytest.raises(error, match=message):
        packed(TWO_TO_ONE).decode(state(at, TWO_TO_ONE, rows=2))


def test_changed_weights_are_in_force_at_once_between_groups() -> None:
    before = packed(TWO_TO_ONE)
    _, cursor = before.take(before.start(), 12)
    edited = packed(ONLY_B)
    found = edited.decode(state(before.encode(cursor), TWO_TO_ONE, rows=12))

    assert names(edited.take(found, 3)[0]) == "b4 b5 b6"


def test_a_component_whose_documents_the_group_may_hold_cannot_be_removed() -> None:
    def only_b() -> PackedRows:
        children = [stream(10, None, path="b", reader=1, drops=True)]
        schedule = WeightSchedule({0: {"b": 1}})
        mixer: Mixer[DocumentPlan] = Mixer(
            "*", "mix", ["b"], children, schedule, int, "first_exhausted", endless=False, join=join_documents
        )
        return PackedRows(EndlessGroups(MixedDocuments(mixer), 6, 1), "*", SINGLE, LENGTHS)

    before = packed(TWO_TO_ONE)
    within, between = (before.take(before.start(), count)[1] for count in (2, 12))
    with pytest.raises(rd.PipelineMismatchError, match=r"components \['a'\] cannot be removed here"):
        only_b().decode(state(before.encode(within), TWO_TO_ONE, rows=2))

    found = only_b().decode(state(before.encode(between), TWO_TO_ONE, rows=12))
    assert names(only_b().take(found, 3)[0]) == "b4 b5 b6"


def test_changes_wait_in_mixes_within_a_mix_too() -> None:
    def nested(weights: Weights) -> MixedDocuments:
        inner = mixed_documents(weights)
        inner.mixer._path, inner.mixer._stage = "both/*", "mix both"
        schedule = WeightSchedule({0: {"both": 1}})
        outer: Mixer[DocumentPlan] = Mixer(
            "*", "mix", ["both"], [inner], schedule, int, "first_exhausted", endless=False, join=join_documents
        )
        return MixedDocuments(outer)

    before = nested(TWO_TO_ONE)
    _, cursor = before.take(before.start(), 4)
    weights = {"mix": {"both": 1}, "mix both": TWO_TO_ONE}
    settings = {
        name: {"weights": {"between": "constant", "points": [[0, dict(given)]]}} for name, given in weights.items()
    }
    edited = nested(ONLY_B)
    found = edited.decode(replace(saved(before.encode(cursor)), settings=settings))

    assert names(edited.take(found, 3)[0]) == "a3 b1 a0"
    assert names(edited.take(edited.renewed(found), 3)[0]) == "b1 b2 b3"
    assert edited.renewed(edited.renewed(found)).anchor.children[0].anchor.pending == 0


def test_without_a_change_the_cursor_stays_the_same() -> None:
    documents = mixed_documents(TWO_TO_ONE)
    _, cursor = documents.take(documents.start(), 4)

    assert documents.renewed(cursor) is cursor


def test_a_component_that_ended_before_the_cursor_decides_whether_its_end_may_move() -> None:
    documents = mixed_documents(TWO_TO_ONE, stop="renormalize", epochs=(3, 1))
    before, after = (documents.take(documents.start(), count)[1] for count in (4, 5))
    moved = saved({}, epochs_before={"a": 1})

    assert documents.continues(before, moved)
    assert not documents.continues(after, moved)


def test_integers_that_are_not_a_mix_are_refused() -> None:
    with pytest.raises(rd.StateError, match=r"component '\*'.* where pending, origin, exhausted, a, b belong"):
        mixed_documents(EVEN).decode(state({"*": (0, 0, 0, 1), "a": (0, 0), "b": (0, 0)}, EVEN))


def test_no_plans_join_to_none() -> None:
    nothing = np.zeros(0, np.int64)

    assert len(join_documents([], nothing)) == len(join_rows([], nothing)) == 0
