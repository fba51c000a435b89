import jax
import numpy as np
import pytest

import resumable_data as rd


def batches() -> rd.Dataset[rd.LLMBatch]:
    return rd.Dataset.from_source(rd.SyntheticSource(40, lengths=[3, 9, 14])).pad(16, eod_id=0).batch(8)


def test_a_state_of_another_number_of_processes_is_refused_with_the_difference() -> None:
    state = iter(batches().shard(0, 2).unbatch()).get_state()
    with pytest.raises(rd.PipelineMismatchError, match=r"unbatch.rows was 4, is 2"):
        iter(batches().shard(0, 4).unbatch()).set_state(state)


def test_what_cannot_be_unbatched_is_refused() -> None:
    documents = rd.Dataset.from_source(rd.SyntheticSource(40, [3])).pad(4, eod_id=0)
    with pytest.raises(rd.PipelineError, match="must have one size"):
        documents.batch(rd.BatchSchedule(4, factors={2: 2})).unbatch()
    with pytest.raises(rd.PipelineError, match="comes after batch"):
        documents.unbatch()
    with pytest.raises(rd.PipelineError, match="placed"):
        documents.batch(8).place(jax.sharding.Mesh(np.array(jax.devices()), "data")).unbatch()
    with pytest.raises(rd.PipelineError, match="at least 1"):
        documents.batch(8).unbatch(0)
