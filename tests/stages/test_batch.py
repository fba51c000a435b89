from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.run_history import history_of
from resumable_data.stages.batch import source_numbers
from resumable_data.stages.catalog import Catalog


def rows(count: int) -> rd.Dataset[rd.LLMBatch]:
    """Rows of one document of one token, numbered from 1."""
    source = rd.InMemorySource([[number] for number in range(1, count + 1)])
    return rd.Dataset.from_source(source).pad(2, eod_id=9)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_rows(size: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"[Bb]atch.* has {size} rows"):
        rows(1).batch(size)


def test_an_engine_is_told_what_the_stage_knows() -> None:
    data = rows(9).batch(rd.BatchSchedule(2, factors={1: 2}), shards=2, sources=True, drop_remainder=False)
    catalog = Catalog()
    engine = data.shard(1, 2).node.open_engine(catalog)  # type: ignore[union-attr]

    assert [engine.schedule.size(step) for step in (0, 1)] == [2, 4]
    assert (engine.shards, engine.drop_remainder, engine.lengths_known) == (1, False, True)
    assert engine.delivered_type is rd.LLMFieldsBatch
    assert engine.source_numbers.tolist() == [1]
    assert [stage.stage for stage in catalog.shared] == ["batch"]


def test_sources_are_numbered_by_path() -> None:
    assert source_numbers({"web": 0, "books": 2, "code": 1}).tolist() == [3, 2, 1]


def read_rows(size: int | rd.BatchSchedule, **settings: Any) -> rd.Dataset[rd.LLMBatch]:
    """Batches of rows whose lengths show only when documents are read."""
    source = rd.InMemorySource([[number] * (number % 9 + 1) for number in range(1, 301)])
    documents = rd.Dataset.from_source(source).shuffle(1).repeat().map(list, name="as a list")
    return documents.pack(16, eod_id=0, window=8).batch(size, **settings)


def shards_in(state: Any) -> int | None:
    return history_of(through_json(state)).shards


@pytest.mark.parametrize(
    ("size", "shards"), [(8, 8), (64, 64), (96, 48), (67, 64), (rd.BatchSchedule(8, factors={1: 8}), 64)]
)
def test_the_largest_batch_decides_how_many_shards_a_run_begins_with(
    size: int | rd.BatchSchedule, shards: int
) -> None:
    assert shards_in(iter(read_rows(size)).get_state()) == shards


def test_shards_that_are_given_need_not_divide_the_batch() -> None:
    batches = read_rows(10, shards=7)

    assert shards_in(iter(batches).get_state()) == 7
    assert next(iter(batches)).inputs.shape == (10, 16)


def test_where_lengths_are_known_there_is_one_order_and_no_shards_in_it() -> None:
    one, many = iter(rows(9).batch(2)), iter(rows(9).batch(2, shards=2))
    next(one), next(many)

    assert many.get_state() == one.get_state()
    assert shards_in(many.get_state()) is None


def test_a_run_keeps_its_shards() -> None:
    stage = read_rows(16).node

    assert stage.shards_of(None) == 16  # type: ignore[union-attr]
    assert stage.shards_of(48) == 48  # type: ignore[union-attr]
    assert read_rows(16, shards=5).node.shards_of(48) == 5  # type: ignore[union-attr]


@pytest.mark.parametrize("shards", [0, -1, 65537])
def test_impossible_shards_are_refused(shards: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"batch: shards={shards} must be from 1 to 65536"):
        read_rows(16, shards=shards)


def test_the_rows_of_a_shard_stand_where_its_slots_are() -> None:
    # One document a row: each of four shards measures a quarter of the source.
    source = rd.InMemorySource([[number] for number in range(256)])
    documents = rd.Dataset.from_source(source).map(list, name="as a list").repeat(2)
    first, second = list(documents.pad(1, eod_id=0).batch(8, shards=4))[32:34]  # the first epoch begins otherwise

    assert first.targets[:, 0].tolist() == [0, 1, 64, 65, 128, 129, 192, 193]
    assert second.targets[:, 0].tolist() == [2, 3, 66, 67, 130, 131, 194, 195]
