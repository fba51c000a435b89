"""Plans: rows as spans of documents, documents, and how long these are."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.order.sequence import NO_SHARD
from resumable_data.packing.plan import (
    DocumentLengths,
    DocumentPlan,
    RowPlan,
    concatenate,
    concatenate_documents,
    concatenate_lengths,
)

Span = tuple[int, int, int, int, int]  # reader, record, offset, length, document_length

spans = st.tuples(*[st.integers(0, 2**40)] * 5)
tables = st.lists(st.lists(spans, max_size=4), max_size=6)


def plan_of(rows: list[list[Span]], owner: list[int] | None = None) -> RowPlan:
    first_spans = np.cumsum([0, *map(len, rows)])
    columns = np.array([span for row in rows for span in row], np.int64).reshape(-1, 5).T
    return RowPlan(first_spans, *columns, owner=None if owner is None else np.array(owner, np.int64))


def rows_of(plan: RowPlan) -> list[list[Span]]:
    columns = (plan.reader, plan.record, plan.offset, plan.length, plan.document_length)
    flat = list(zip(*(column.tolist() for column in columns), strict=True))
    assert len(flat) == plan.rows[-1]
    return [flat[plan.rows[row] : plan.rows[row + 1]] for row in range(len(plan))]


def owner_of(plan: RowPlan) -> list[int] | None:
    return None if plan.owner is None else plan.owner.tolist()


@given(tables, st.data())
def test_slice_gives_the_rows_between(rows: list[list[Span]], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    assert rows_of(plan_of(rows).slice(start, stop)) == rows[start:stop]


def test_slice_copies_no_span() -> None:
    plan = plan_of([[(0, 1, 2, 3, 4)], [(5, 6, 7, 8, 9)]])
    part = plan.slice(1, 2)
    assert all(
        np.shares_memory(getattr(part, field.name), getattr(plan, field.name))
        for field in fields(RowPlan)
        if field.name not in ("rows", "owner", "epoch")
    )


@given(tables.filter(bool), st.data())
def test_take_gives_any_rows_in_any_order(rows: list[list[Span]], data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10))
    taken = plan_of(rows).take(np.array(indices, np.int64))
    assert rows_of(taken) == [rows[index] for index in indices]


@given(tables, st.integers(0, 10))
def test_padded_adds_empty_rows_up_to_a_number(rows: list[list[Span]], n_rows: int) -> None:
    assert rows_of(plan_of(rows).padded(n_rows)) == rows + [[]] * (n_rows - len(rows))


@given(st.lists(tables, min_size=1, max_size=4))
def test_concatenate_gives_all_rows_in_order(parts: list[list[list[Span]]]) -> None:
    joined = concatenate([plan_of(rows) for rows in parts])
    assert rows_of(joined) == [row for rows in parts for row in rows]


@pytest.mark.parametrize("n_rows", [0, 1, 5])
def test_an_empty_plan_has_rows_without_spans(n_rows: int) -> None:
    assert rows_of(RowPlan.empty(n_rows)) == [[]] * n_rows


def test_rows_take_their_owners_along() -> None:
    rows: list[list[Span]] = [[(0, 1, 2, 3, 4)], [], [(5, 6, 7, 8, 9)] * 2]
    owned, free = plan_of(rows, [4, 5, 6]), plan_of(rows)

    assert owner_of(owned.slice(1, 3)) == [5, 6]
    assert owner_of(owned.take(np.array([2, 0, 2]))) == [6, 4, 6]
    assert owner_of(owned.padded(5)) == [4, 5, 6, NO_SHARD, NO_SHARD]
    assert owner_of(concatenate([owned, free, owned.slice(0, 1)])) == [4, 5, 6, *[NO_SHARD] * 3, 4]
    for plan in (free.slice(0, 2), free.take(np.array([1])), free.padded(5), concatenate([free, free])):
        assert plan.owner is None


def documents_of(table: list[list[int]]) -> DocumentPlan:
    return DocumentPlan(*np.array(table, np.int64).reshape(-1, 2).T)


def table_of(plan: DocumentPlan) -> list[list[int]]:
    return np.stack([plan.reader, plan.record], axis=1).tolist()


def test_a_document_plan_gives_any_documents_in_any_order() -> None:
    plan = documents_of([[0, 1], [3, 4], [6, 7]])
    assert len(plan) == 3
    assert table_of(plan.take(np.array([2, 0, 2]))) == [[6, 7], [0, 1], [6, 7]]
    assert table_of(plan.slice(1, 3)) == [[3, 4], [6, 7]]
    assert len(plan.take(np.zeros(0, np.int64))) == 0


def test_the_documents_of_several_plans_are_joined_in_order() -> None:
    tables = [[[0, 1]], [], [[3, 4], [6, 7]]]
    joined = concatenate_documents([documents_of(table) for table in tables])
    assert table_of(joined) == [document for table in tables for document in table]
    assert len(concatenate_documents([])) == 0


def lengths_of(tokens: list[int], truncated: list[int] | None = None) -> DocumentLengths:
    return DocumentLengths(np.array(tokens, np.int64), None if truncated is None else np.array([truncated]).T)


def truncated_of(lengths: DocumentLengths) -> list[int] | None:
    return None if lengths.counts is None else lengths.counts[:, 0].tolist()


def test_lengths_take_what_was_truncated_along() -> None:
    lengths, whole = lengths_of([2, -1, 8], [10, 0, 30]), lengths_of([9])

    assert (len(lengths), lengths.take(np.array([2, 0, 2])).tokens.tolist()) == (3, [8, 2, 8])
    assert truncated_of(lengths.take(np.array([2, 0, 2]))) == [30, 10, 30]
    assert (lengths.slice(1, 3).tokens.tolist(), truncated_of(lengths.slice(1, 3))) == ([-1, 8], [0, 30])
    joined = concatenate_lengths([whole, lengths, whole])
    assert (joined.tokens.tolist(), truncated_of(joined)) == ([9, 2, -1, 8, 9], [0, 10, 0, 30, 0])
    assert truncated_of(concatenate_lengths([lengths])) == [10, 0, 30]


def test_lengths_of_which_nothing_was_truncated_hold_no_array_for_it() -> None:
    whole = lengths_of([2, 5])
    for lengths in (whole.take(np.array([1])), whole.slice(0, 1), concatenate_lengths([whole, whole])):
        assert lengths.counts is None
