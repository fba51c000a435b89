import pytest

import resumable_data as rd
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
