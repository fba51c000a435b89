from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.packing.plan import DocumentPlan, RowPlan, concatenate, concatenate_documents

Span = tuple[int, int, int, int, int]  # reader, record, offset, length, document_length

spans = st.tuples(*[st.integers(0, 2**40)] * 5)
tables = st.lists(st.lists(spans, max_size=4), max_size=6)


def plan_of(rows: list[list[Span]]) -> RowPlan:
    first_spans = np.cumsum([0, *map(len, rows)])
    columns = np.array([span for row in rows for span in row], np.int64).reshape(-1, 5).T
    return RowPlan(first_spans, *columns)


def rows_of(plan: RowPlan) -> list[list[Span]]:
    columns = (plan.reader, plan.record, plan.offset, plan.length, plan.document_length)
    flat = list(zip(*(column.tolist() for column in columns), strict=True))
    assert len(flat) == plan.rows[-1]
    return [flat[plan.rows[row] : plan.rows[row + 1]] for row in range(len(plan))]


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
        if field.name != "rows"
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


def documents_of(table: list[list[int]]) -> DocumentPlan:
    return DocumentPlan(*np.array(table, np.int64).reshape(-1, 3).T)


def table_of(plan: DocumentPlan) -> list[list[int]]:
    return np.stack([plan.reader, plan.record, plan.length], axis=1).tolist()


def test_a_document_plan_gives_any_documents_in_any_order() -> None:
    plan = documents_of([[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    assert len(plan) == 3
    assert table_of(plan.take(np.array([2, 0, 2]))) == [[6, 7, 8], [0, 1, 2], [6, 7, 8]]
    assert len(plan.take(np.zeros(0, np.int64))) == 0


def test_the_documents_of_several_plans_are_joined_in_order() -> None:
    tables = [[[0, 1, 2]], [], [[3, 4, 5], [6, 7, 8]]]
    joined = concatenate_documents([documents_of(table) for table in tables])
    assert table_of(joined) == [document for table in tables for document in table]


def cut_of(plan: DocumentPlan) -> list[int] | None:
    return None if plan.cut is None else plan.cut.tolist()


def test_what_was_cut_off_documents_goes_with_them() -> None:
    plan = replace(documents_of([[0, 1, 2], [3, 4, 5], [6, 7, 8]]), cut=np.array([10, 0, 30]))
    uncut = documents_of([[9, 9, 9]])

    assert cut_of(plan.take(np.array([2, 0, 2]))) == [30, 10, 30]
    assert cut_of(plan.slice(1, 3)) == [0, 30]
    assert cut_of(concatenate_documents([uncut, plan, uncut])) == [0, 10, 0, 30, 0]
    assert cut_of(concatenate_documents([plan])) == [10, 0, 30]


def test_plans_of_documents_that_nothing_cuts_hold_no_array_for_it() -> None:
    uncut = documents_of([[0, 1, 2], [3, 4, 5]])
    for plan in (uncut.take(np.array([1])), uncut.slice(0, 1), concatenate_documents([uncut, uncut])):
        assert plan.cut is None
