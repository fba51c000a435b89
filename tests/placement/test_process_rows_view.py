import numpy as np
import pytest

import resumable_data as rd


def batches(count: int = 24, size: int = 12, **settings: bool) -> rd.Dataset[rd.LLMBatch]:
    source = rd.InMemorySource([[number] for number in range(1, count + 1)])
    return rd.Dataset.from_source(source).pad(2, eod_id=99).batch(size, **settings)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 12])
def test_a_process_has_its_share_of_every_batch(count: int) -> None:
    shards = [list(batches().shard(index, count)) for index in range(count)]

    for step, whole in enumerate(batches()):
        together = np.concatenate([shard[step].inputs for shard in shards])
        assert together.tolist() == whole.inputs.tolist()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_process_may_own_nothing_but_padding(index: int) -> None:
    (batch,) = batches(count=1, size=3, drop_remainder=False).shard(index, 3)

    assert batch.targets.tolist() == [[1 if index == 0 else 0, 0]]
    assert batch.inputs[0, 0] == 99


def test_a_process_reads_the_records_of_its_rows_alone() -> None:
    class Noting(rd.InMemorySource):
        def read(self, indices: np.ndarray) -> list[object]:
            noted.update(indices.tolist())
            return super().read(indices)

        def lengths(self, indices: np.ndarray) -> np.ndarray:
            return np.ones(len(indices), np.int64)

    noted: set[int] = set()
    documents = rd.Dataset.from_source(Noting([[number] for number in range(8)]))
    noted.clear()  # the fingerprint looks at some records
    for _ in documents.pad(2, eod_id=0).batch(4).shard(1, 2):
        pass

    assert noted == {2, 3, 6, 7}


def test_a_batch_that_cannot_be_divided_lists_what_would_work() -> None:
    with pytest.raises(rd.PipelineError, match=r"12 rows .* among 5 processes; .* among 1, 2, 3, 4, 6, 12"):
        batches().shard(0, 5)


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_an_index_lies_below_the_count(index: int, count: int) -> None:
    with pytest.raises(rd.PipelineError, match=rf"process_index={index} is not in \[0, {count}\)"):
        batches().shard(index, count)


def test_sharding_twice_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="shard: this pipeline is sharded or placed already"):
        batches().shard(0, 2).shard(0, 2)
