from dataclasses import replace

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.answers.content import comparable, name_contents
from resumable_data.packing.plan import RowPlan

PLAN = RowPlan(
    rows=np.array([0, 2, 3]),
    reader=np.array([0, 1, 0]),
    record=np.array([4, 5, 6]),
    offset=np.array([0, 0, 2]),
    length=np.array([3, 2, 4]),
    document_length=np.array([3, 2, 6]),
)
SAME = {0: 0, 1: 1}


def equal(first, second, contents=(SAME, SAME)):
    pairs = zip(comparable(first, contents[0]), comparable(second, contents[1]), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", ["rows", "record", "offset", "length"])
def test_every_part_of_a_plan_counts(name):
    changed = getattr(PLAN, name).copy()
    changed[1] += 1
    assert equal(PLAN, replace(PLAN))
    assert not equal(PLAN, replace(PLAN, **{name: changed}))


def test_readers_count_by_what_they_read():
    swapped = replace(PLAN, reader=1 - PLAN.reader)
    assert not equal(PLAN, swapped)
    assert equal(PLAN, swapped, (SAME, {0: 1, 1: 0}))


def described(**changes):
    settings = {"seed": 1, "length": 4, "eod": 0, "batch": 2, "records": [[1, 2, 3], [4]]} | changes
    documents = rd.Dataset.from_source(rd.InMemorySource(settings["records"]), name="toy").shuffle(settings["seed"])
    data = documents.pack(settings["length"], eod_id=settings["eod"]).batch(settings["batch"])
    iterator = iter(data)
    return name_contents(iterator._place.opened.description)


@pytest.mark.parametrize("change", [{"seed": 2}, {"batch": 5}])
def test_settings_of_the_order_alone_change_no_content(change):
    assert described() == described(**change)


@pytest.mark.parametrize("change", [{"length": 8}, {"eod": 7}, {"records": [[1, 2, 3], [5]]}])
def test_settings_of_what_rows_hold_do(change):
    assert described() != described(**change)
