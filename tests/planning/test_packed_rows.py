"""Rows group by group, and the cursor among them.

A worked example. A component has 5 documents of 4, 3, 2, 1 and -1 tokens; the last is dropped. Windows have room for
2 documents, and rows have 4 tokens. There is one shard, and a group is one window:

    window 0: document 0            row [0]
    window 1: documents 1 and 2     rows [1] and [2]
    window 2: documents 3 and 4     row [3]

An epoch has four rows. The cursor and its integers before each of them, and before the next epoch, are

    before     group begins at      row    rows before     integers: epoch, window, row, rows,
               epoch, window               the group                 lengths_digest; documents, tokens, truncated,
                                                                     scored, dropped
    [0]        0, 0                 0      0               0 0 0 0 0   0 0 0 0 0
    [1]        0, 1                 0      1               0 1 0 1 0   1 4 0 0 0
    [2]        0, 1                 1      1               0 1 1 2 L   2 7 0 0 0
    [3]        0, 2                 0      3               0 2 0 3 0   3 9 0 0 0
    [0] again  1, 0                 0      4               1 0 0 4 0   4 10 0 0 1

One position has one cursor: after the last row of a group stands the beginning of the next group, not row 2 of
window 1. The dropped document lies in no row. It counts with the last row of its group. L is a digest of the lengths
of the group in progress, 3 and 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.toy_lengths import ToyLengths, ask_for_states, records_of, saved, stream
from resumable_data.delivered import Delivered
from resumable_data.digest import digest_to_number
from resumable_data.packing.plan import RowPlan
from resumable_data.planning.groups import EndlessGroups, EpochAt, EpochGroups
from resumable_data.planning.packed_group import Packing
from resumable_data.planning.packed_rows import PackedRows, RowCursor
from resumable_data.planning.planner import Counts, Extent

EXAMPLE = [4, 3, 2, 1, -1]


def rows(
    tokens: Sequence[int] = EXAMPLE,
    epochs: int | None = 2,
    *,
    window: int = 2,
    shards: int = 1,
    length: int = 4,
    known: bool = True,
    drops: bool = False,
    lengths: ToyLengths | None = None,
) -> PackedRows:
    tokens = [min(count, length) for count in tokens]
    groups = EpochGroups(stream(len(tokens), epochs, drops=drops), window, shards)
    packing = Packing(length, "first_fit")
    return PackedRows(groups, "web", packing, lengths or ToyLengths([tokens], known=known))


def cursor_after(planner: PackedRows, count: int) -> RowCursor:
    return planner.take(planner.start(), count)[1]


def all_rows(planner: PackedRows, counts: Sequence[int] = (1000,)) -> list[list[int]]:
    """All rows, taken so many at a time, over and over."""
    found: list[list[int]] = []
    cursor, number = planner.start(), 0
    while True:
        plan, cursor = planner.take(cursor, counts[number % len(counts)])
        if not len(plan):
            return found
        found += records_of(plan)
        number += 1


def digest_of(*tokens: int) -> int:
    """Returns the digest of the lengths of a group of one window."""
    return digest_to_number(np.array(tokens, "<i8").tobytes())


def integers(planner: PackedRows, cursor: RowCursor) -> tuple[Any, ...]:
    return planner.encode(cursor)["web"]


def test_the_rows_of_the_worked_example() -> None:
    assert all_rows(rows()) == [[0], [1], [2], [3]] * 2


def test_the_cursors_of_the_worked_example() -> None:
    planner = rows()
    found = [cursor_after(planner, count) for count in range(5)]

    assert [(cursor.at, cursor.row, cursor.rows_before) for cursor in found] == [
        (EpochAt(0, 0), 0, 0),
        (EpochAt(0, 1), 0, 1),
        (EpochAt(0, 1), 1, 1),
        (EpochAt(0, 2), 0, 3),
        (EpochAt(1, 0), 0, 4),
    ]
    assert [integers(planner, cursor) for cursor in found] == [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (0, 1, 0, 1, 0, 1, 4, 0, 0, 0),
        (0, 1, 1, 2, digest_of(3, 2), 2, 7, 0, 0, 0),
        (0, 2, 0, 3, 0, 3, 9, 0, 0, 0),
        (1, 0, 0, 4, 0, 4, 10, 0, 0, 1),
    ]
    assert [planner.position(cursor) for cursor in found] == [0, 1, 2, 3, 4]


component = st.lists(st.integers(-1, 9), min_size=1, max_size=40).filter(lambda tokens: max(tokens) > 0)
shapes = st.tuples(st.integers(1, 9), st.integers(1, 5), st.booleans())


@given(component, shapes, st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_rows_do_not_depend_on_how_many_are_taken_at_once(
    tokens: list[int], shape: tuple[int, int, bool], counts: list[int]
) -> None:
    window, shards, known = shape

    def planner() -> PackedRows:
        return rows(tokens, 2, window=window, shards=shards, known=known, drops=True)

    assert all_rows(planner(), counts) == all_rows(planner())


@given(component, shapes)
def test_every_epoch_delivers_every_document_once(tokens: list[int], shape: tuple[int, int, bool]) -> None:
    window, shards, known = shape
    one, two, three = (
        all_rows(rows(tokens, epochs, window=window, shards=shards, known=known, drops=True)) for epochs in (1, 2, 3)
    )
    begun = [number for number, length in enumerate(tokens) if length > 0]

    for found, before in ((one, []), (two, one), (three, two)):
        assert found[: len(before)] == before
        assert sorted(record for row in found[len(before) :] for record in row) == begun
    # The first epoch may have smaller groups. The others are alike, since nothing is shuffled.
    assert three[len(two) :] == two[len(one) :]


@given(component, shapes)
def test_every_cursor_comes_back_from_its_integers_and_goes_on_alike(
    tokens: list[int], shape: tuple[int, int, bool]
) -> None:
    window, shards, known = shape
    planner = rows(tokens, 2, window=window, shards=shards, known=known, drops=True)
    cursor = planner.start()
    for position in range(1000):
        again = rows(tokens, 2, window=window, shards=shards, known=known, drops=True)
        found = again.decode(saved(planner.encode(cursor)))
        assert found == cursor
        plan, cursor = planner.take(cursor, 1)
        assert records_of(again.take(found, 1)[0]) == records_of(plan)
        if not len(plan):
            break
        assert planner.position(cursor) == position + 1


def test_taking_nothing_moves_nothing() -> None:
    planner = rows()
    start = planner.start()

    assert planner.take(start, 0)[1] == start
    assert len(planner.take(cursor_after(planner, 8), 5)[0]) == 0
    assert cursor_after(planner, 8) == cursor_after(planner, 100)


# Groups without rows


def test_groups_without_rows_are_passed_over_when_the_next_row_is_asked_for() -> None:
    """Documents 1 to 4 are two windows without a token. The cursor stands before them until a row is asked for."""
    planner = rows([5, 5, -1, 0, -1, -1, 5, 5], 1, window=2)
    before = cursor_after(planner, 2)
    plan, after = planner.take(before, 1)

    assert (before.at, records_of(plan), after.at, after.row) == (EpochAt(0, 1), [[6]], EpochAt(0, 3), 1)
    assert integers(planner, before)[5:] == (2, 8, 0, 0, 0)
    assert integers(planner, after)[5:] == (3, 12, 0, 0, 3)


def test_an_epoch_without_rows_is_an_error() -> None:
    with pytest.raises(rd.SourceError, match=r"component 'web': 4 documents have no token.*leaves out 3 of them"):
        all_rows(rows([-1, -1, 0, -1], 3, drops=True))


def test_it_is_found_in_the_middle_of_an_epoch_too() -> None:
    """What was delivered before does not help: the documents have changed since."""
    planner = rows([1, -1, -1, -1], None, window=1)
    cursor = cursor_after(planner, 1)
    gone = rows([-1] * 4, None, window=1)

    with pytest.raises(rd.SourceError, match=r"component 'web': .* documents have no token"):
        gone.take(cursor, 1)


def test_only_the_documents_without_a_token_are_counted() -> None:
    cursor = cursor_after(rows([1] * 4, None, window=1), 8)

    with pytest.raises(rd.SourceError, match=r"component 'web': 4 documents have no token.* leaves out 4 of them"):
        rows([-1] * 4, None, window=1).take(cursor, 1)


def test_an_epoch_less_a_group_without_rows_is_none() -> None:
    """Nothing from the second window of one epoch to the first of the next is less than an epoch."""
    planner = rows([4, 0, 0, 0, 0, 0], None, window=1)

    assert records_of(planner.take(planner.start(), 3)[0]) == [[0]] * 3


def test_too_many_documents_of_a_stream_without_rows_are_an_error() -> None:
    groups = EndlessGroups(stream(4, None), 2, 1)
    planner = PackedRows(groups, "web", Packing(4, "first_fit", True, None), ToyLengths([[0] * 4], known=True))

    with pytest.raises(rd.SourceError, match=r"component 'web': .* documents have no token"):
        planner.take(planner.start(), 1)


def test_groups_without_rows_that_end_the_data_count_once_it_ended() -> None:
    planner = rows([4, 4, -1, -1], 1)
    cursor = cursor_after(planner, 2)

    assert (cursor.at, planner.finished(cursor)) == (EpochAt(0, 1), False)
    assert planner.counts(cursor, ended=False)["web"].dropped == 0
    counts = planner.counts(cursor, ended=True)["web"]
    assert (counts.dropped, counts.documents, counts.epochs) == (2, 2, 1.0)


# What is said of a position


def test_the_epoch_is_that_of_the_next_row() -> None:
    planner = rows([4, 4, -1, -1], 3)

    assert [planner.epoch(cursor_after(planner, count)) for count in range(6)] == [0, 0, 1, 1, 2, 2]


def test_without_epochs_nothing_is_measured_to_tell_that_there_is_none() -> None:
    lengths = ToyLengths([[0] * 4], known=False)
    planner = PackedRows(EndlessGroups(stream(4, None), 2, 1), "web", Packing(4, "first_fit", True, None), lengths)

    assert planner.epoch(planner.start()) is None
    assert lengths.measured == []


def test_what_cannot_be_measured_does_not_keep_the_epoch_secret() -> None:
    class Broken(ToyLengths):
        def measure(self, *_: Any) -> Any:
            raise rd.RecordError("bad")

    planner = rows(lengths=Broken([EXAMPLE]))

    assert planner.epoch(planner.start()) == 0
    with pytest.raises(rd.RecordError, match="bad"):
        planner.take(planner.start(), 1)


def test_progress_goes_with_the_rows_of_the_group() -> None:
    """An epoch is one group, of 4 documents in 4 rows."""
    planner = rows([4, 4, 4, 4], 2, window=4)

    assert [planner.extent(cursor_after(planner, count)) for count in (0, 1, 3, 4)] == [
        Extent(0, 8),
        Extent(1, 8),
        Extent(3, 8),
        Extent(4, 8),
    ]
    assert rows(epochs=None).extent(rows().start()) is None
    counts = planner.counts(cursor_after(planner, 5), ended=False)["web"]
    assert counts == Counts(documents=5, tokens=20, scored=20, rows=5, epochs=1.25)


def test_the_end_is_reached_after_the_last_group() -> None:
    planner = rows()

    assert [planner.finished(cursor_after(planner, count)) for count in (7, 8)] == [False, True]


def test_a_report_counts_whole_groups() -> None:
    report = rows([4, 3, 4, 1, -1]).report(2)

    assert (report.windows, report.rows, report.documents, report.dropped) == (2, 3, 3, 0)
    assert (report.tokens, report.scored, report.most_documents, report.padding) == (11, 11, 1, 1 - 11 / 12)
    assert rows([4, 3, 4, 1, -1], 1).report(99).dropped == 1
    measured = rows([1] * 40, shards=2, length=1, known=False).report(1)
    assert (measured.windows, measured.rows, measured.padding) == (12, 16, 0.0)  # the first six are small
    assert rows([0]).report(1).padding == 0.0


# States


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 1, 2, 3, digest_of(3, 2), 2, 7, 0, 0, 0), "a group of windows has 2 rows; there is no row 2"),
        ((1, 2, 9, 9, digest_of(1, -1), 2, 7, 0, 0, 0), "a group of windows has 1 rows; there is no row 9"),
        ((2, 0, 1, 9, 0, 2, 7, 0, 0, 0), "a group of windows has 0 rows; there is no row 1"),
        ((0, 1, 1, 0, digest_of(3, 2), 2, 7, 0, 0, 0), "less was delivered than row 1 of its group says"),
        ((0, 1, 1, 2, digest_of(3, 2), 0, 7, 0, 0, 0), "less was delivered than row 1 of its group says"),
        ((0, 1, 1, 2, digest_of(3, 2), 2, 2, 0, 0, 0), "less was delivered than row 1 of its group says"),
        ((0, 3, 0, 2, 0, 2, 7, 0, 0, 0), "no group begins at window 3"),
        (
            (0, 1, 1, 2),
            "where documents, tokens, truncated, scored, dropped belong|where row, rows, lengths_digest belong",
        ),
        ((), "where"),
    ],
)
def test_a_place_without_a_row_is_refused(given: tuple[int, ...], message: str) -> None:
    with pytest.raises(rd.StateError, match=message):
        rows().decode(saved({"web": given}))


@pytest.mark.parametrize("changed", [[4, 3, 1, 1, -1], [4, 3, 2, 1, -1][::-1], [4, 2, 3, 1, -1], [4, 3, -1, 1, -1]])
@pytest.mark.parametrize("known", [True, False])
def test_other_lengths_in_the_group_in_progress_are_refused(changed: list[int], known: bool) -> None:
    planner = rows(known=known)
    state = planner.encode(cursor_after(planner, 2))
    with pytest.raises(rd.PipelineMismatchError, match=r"'web': documents of the group .* other lengths") as no:
        rows(changed, known=known).decode(saved(state))
    assert no.value.differences == ("web: lengths of documents",)


def test_other_lengths_outside_of_the_group_in_progress_are_not_seen() -> None:
    planner = rows()
    state = planner.encode(cursor_after(planner, 2))
    assert rows([3, 3, 2, 2, 2]).decode(saved(state)).at == EpochAt(0, 1)


def test_a_group_that_an_end_was_moved_into_is_not_another_one() -> None:
    """Six documents of one epoch end in the group that takes 8. With more epochs the group would have 8."""

    def planner(epochs: int) -> PackedRows:
        groups = EndlessGroups(stream(6, epochs), 8, 1)
        return PackedRows(groups, "web", Packing(4, "first_fit", True, None), ToyLengths([[4] * 6]))

    once = planner(1)
    at = once.encode(cursor_after(once, 2))
    assert at["web"] == (0, 0, 2, 2, digest_of(*[4] * 6), 2, 8, 0, 0, 0)
    with pytest.raises(rd.PipelineMismatchError, match=r"the epochs of \['web'\] cannot be changed here") as refused:
        planner(3).decode(saved(at, epochs_before={"web": 1}))
    assert refused.value.differences == ("web: repeat.epochs",)
    start = once.encode(once.start())
    assert planner(3).decode(saved(start, epochs_before={"web": 1})) == once.start()


def test_what_waits_is_in_force_from_the_next_group_on() -> None:
    """Restored before the first row of a group, what is changed counts; after it, it waits for the next group."""
    calls: list[EpochAt] = []

    class Renewing(EpochGroups):
        def renewed(self, at: EpochAt) -> EpochAt:
            calls.append(at)
            return at

    groups = Renewing(stream(5, 2), 2, 1)
    planner = PackedRows(groups, "web", Packing(4, "first_fit", True, None), ToyLengths([EXAMPLE]))
    planner.decode(saved({"web": (0, 1, 0, 1, 0, 1, 4, 0, 0, 0)}))
    assert calls == [EpochAt(0, 1)]
    calls.clear()
    planner.decode(saved({"web": (0, 1, 1, 2, digest_of(3, 2), 2, 7, 0, 0, 0)}))
    assert calls == [EpochAt(0, 2)]  # where the group that is planned ends


def test_a_cursor_is_a_value() -> None:
    planner = rows()
    cursor = cursor_after(planner, 2)
    first = planner.take(cursor, 3)

    assert planner.take(replace(cursor), 3)[1] == first[1]
    assert records_of(planner.take(cursor, 3)[0]) == records_of(first[0]) == [[2], [3], [0]]
    assert cursor.before == (Delivered(documents=1, tokens=4),)


def test_the_state_of_a_cursor_measures_nothing_however_far_others_went() -> None:
    lengths = ToyLengths([[1] * 40], known=False)
    planner = rows([1] * 40, None, shards=2, length=1, lengths=lengths)
    cursors = [planner.start()]
    for _ in range(12):
        cursors.append(planner.take(cursors[-1], 37)[1])
    measured = len(lengths.measured)
    ask_for_states(planner, cursors)
    assert len(lengths.measured) == measured


def test_the_state_of_a_restored_cursor_measures_nothing_however_far_others_went() -> None:
    planner = rows([1] * 40, None, shards=2, length=1, known=False)
    at = planner.encode(cursor_after(planner, 5))
    lengths = ToyLengths([[1] * 40], known=False)
    planner = rows([1] * 40, None, shards=2, length=1, lengths=lengths)
    restored = planner.decode(saved(at, rows=5))
    cursor = restored
    for _ in range(12):
        cursor = planner.take(cursor, 37)[1]
    measured = len(lengths.measured)
    ask_for_states(planner, [restored])
    assert len(lengths.measured) == measured


# In the background


def test_the_next_group_is_prepared_once_half_of_the_present_one_is_delivered() -> None:
    ran: list[Callable[[], None]] = []
    lengths = ToyLengths([[1] * 40], known=False, run_ahead=ran.append)
    planner = rows([1] * 40, 1, shards=2, length=1, lengths=lengths)
    _, cursor = planner.take(planner.start(), 7)
    assert (len(lengths.measured), ran) == (6, [])

    planner.take(cursor, 1)
    assert (len(lengths.measured), len(ran)) == (6, 1)
    ran.pop()()
    assert (len(lengths.measured), lengths.groups) == (10, 2)
    plan, _ = planner.take(cursor, 10)
    assert len(plan) == 10
    assert len(lengths.measured) == 10


def test_known_lengths_are_not_worth_a_thread() -> None:
    lengths = ToyLengths([EXAMPLE], known=True, run_ahead=lambda task: pytest.fail("nothing is to be run"))

    assert len(all_rows(rows(lengths=lengths))) == 8


def test_each_group_is_measured_once() -> None:
    lengths = ToyLengths([[1] * 40], known=False)
    planner = rows([1] * 40, 1, shards=2, length=1, lengths=lengths)
    all_rows(planner, [1])

    assert lengths.groups == 3
    assert sorted(record for call in lengths.measured for _, window in call for record in window) == list(range(40))


def test_rows_are_slices_of_their_group() -> None:
    plan, _ = rows().take(rows().start(), 1)

    assert isinstance(plan, RowPlan)
    assert (len(plan), plan.document_length.tolist()) == (1, [4])
