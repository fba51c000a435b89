"""What a run has decided, as its state says it."""

from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.run_history import NEW_RUN, history_of


def texts(count: int) -> rd.Dataset[Any]:
    source = rd.InMemorySource([{"text": [5] * 4}] * count)
    documents = rd.Dataset.from_source(source, name="web").map(lambda record: record["text"], name="text")
    return documents.repeat().pack(4, eod_id=0).batch(2, shards=2)


def test_a_new_run_has_no_history() -> None:
    assert (NEW_RUN.shards, NEW_RUN.growth) == (None, {})


def test_shards_and_growth_stand_in_the_state() -> None:
    run = iter(texts(6))
    next(run)
    for count in (8, 9):
        state = through_json(run.get_state())
        run = iter(texts(count))
        run.set_state(state, allow={"data"})
        next(run)

    history = history_of(through_json(run.get_state()))
    assert history.shards == 2
    assert history.growth == {"web": ((1, 6), (1, 8))}


def test_data_that_never_grew_is_not_in_it() -> None:
    assert history_of(iter(texts(6)).get_state()).growth == {}


def test_growth_to_more_records_than_there_are_is_damage() -> None:
    run = iter(texts(6))
    state = through_json(run.get_state())
    grown = iter(texts(8))
    grown.set_state(state, allow={"data"})
    state = through_json(grown.get_state())
    state["edits"][0]["after"] = 9
    with pytest.raises(rd.StateError, match="the state is damaged"):
        iter(texts(8)).set_state(state)
