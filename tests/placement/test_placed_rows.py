import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd

MESH = Mesh(np.array(jax.devices()[:1]), ("data",))


def batches(**settings: object) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.SyntheticSource(20, [3, 9, 14]))
    return documents.pad(8, eod_id=0).batch(4, **settings)


@pytest.mark.parametrize(
    "where", [MESH, NamedSharding(MESH, PartitionSpec("data")), NamedSharding(MESH, PartitionSpec())]
)
@pytest.mark.parametrize("batch_type", [rd.LLMBatch, rd.LLMIndexedBatch])
def test_placed_batches_are_the_same_as_global_arrays(where: object, batch_type: type[rd.LLMBatch]) -> None:
    data = batches(batch_type=batch_type)

    for placed, plain in zip(data.place(where), data, strict=True):
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(placed))
        jax.tree.map(np.testing.assert_array_equal, placed, plain)


def test_placed_batches_lie_where_they_should() -> None:
    sharding = NamedSharding(MESH, PartitionSpec("data"))
    batch = next(iter(batches(batch_type=rd.LLMIndexedBatch).place(sharding)))

    assert all(leaf.sharding.is_equivalent_to(sharding, leaf.ndim) for leaf in jax.tree.leaves(batch))


def test_a_state_does_not_depend_on_the_placement() -> None:
    plain, placed = iter(batches()), iter(batches().place(MESH))
    next(plain)
    placed.set_state(plain.get_state())

    np.testing.assert_array_equal(next(placed).inputs, next(plain).inputs)
    assert placed.get_state() == plain.get_state()


def test_prefetching_places_as_well() -> None:
    for placed, plain in zip(batches().place(MESH).prefetch(2), batches(), strict=True):
        assert isinstance(placed.inputs, jax.Array)
        np.testing.assert_array_equal(placed.inputs, plain.inputs)


def test_placing_what_is_sharded_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="place: this pipeline is sharded or placed already"):
        batches().shard(0, 2).place(MESH)
