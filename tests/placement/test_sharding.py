"""Row r of a batch is row r of the global array, on any mesh; only the rows that are needed are read."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from resumable_data.placement.sharding import as_sharding, cells_needed, rows_of, to_global

DEVICES = np.array(jax.devices())
SHUFFLED = DEVICES[[5, 2, 7, 0, 3, 6, 1, 4]]

SHARDINGS = {
    "data parallel": NamedSharding(Mesh(DEVICES, "data"), PartitionSpec("data")),
    "devices in another order": NamedSharding(Mesh(SHUFFLED, "data"), PartitionSpec("data")),
    "rows over two axes": NamedSharding(
        Mesh(DEVICES.reshape(4, 2), ("data", "fsdp")), PartitionSpec(("data", "fsdp"))
    ),
    "replicated over an axis": NamedSharding(Mesh(DEVICES.reshape(2, 4), ("data", "tensor")), PartitionSpec("data")),
    "sequence over an axis": NamedSharding(
        Mesh(SHUFFLED.reshape(2, 4), ("data", "sequence")), PartitionSpec("data", "sequence")
    ),
    "sequence alone": NamedSharding(Mesh(DEVICES, "sequence"), PartitionSpec(None, "sequence")),
    "replicated everywhere": NamedSharding(Mesh(DEVICES, "data"), PartitionSpec()),
    "some devices": NamedSharding(Mesh(DEVICES[2:4], "data"), PartitionSpec("data")),
}


def rows(indexed: bool = False) -> rd.Dataset[rd.LLMBatch]:
    source = rd.SyntheticSource(300, lengths=[3, 9, 20, 41], vocabulary=50)
    documents = rd.Dataset.from_source(source).shuffle(3).repeat().append_eod(0)
    if indexed:
        return documents.pad(32, eod_id=0).batch(16, batch_type=rd.LLMIndexedBatch)
    return documents.pack(32, window=64, eod_id=0).batch(16)


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("name", SHARDINGS)
def test_a_placed_batch_is_the_global_batch(name: str, indexed: bool) -> None:
    data, sharding = rows(indexed), SHARDINGS[name]
    placed = data.place(sharding)
    struct = placed.batch_struct()
    with iter(data) as whole, iter(placed) as global_arrays:
        for _ in range(3):
            expected, found = next(whole), next(global_arrays)
            assert jax.tree.structure(expected) == jax.tree.structure(found)
            for want, array, shape in zip(
                jax.tree.leaves(expected), jax.tree.leaves(found), jax.tree.leaves(struct), strict=True
            ):
                assert isinstance(array, jax.Array)
                assert (array.shape, array.dtype, array.sharding) == (shape.shape, shape.dtype, shape.sharding)
                np.testing.assert_array_equal(np.asarray(array), want)


def test_a_mesh_alone_lays_the_rows_over_all_its_axes() -> None:
    mesh = Mesh(DEVICES.reshape(2, 4), ("data", "tensor"))
    assert as_sharding(mesh).spec == PartitionSpec(("data", "tensor"))
    batch = next(iter(rows().place(mesh)))
    assert {shard.data.shape for shard in batch.inputs.addressable_shards} == {(2, 32)}


def test_a_batch_that_does_not_fit_the_mesh_is_refused() -> None:
    source = rd.InMemorySource([[1, 2]] * 9)
    with pytest.raises(rd.PipelineError, match=r"shape \(6, 4\) cannot be laid out .* mesh of {'data': 8}"):
        rd.Dataset.from_source(source).pack(4, eod_id=0).batch(6).place(Mesh(DEVICES, "data"))


def test_every_size_of_a_ramp_has_to_fit() -> None:
    packed = rd.Dataset.from_source(rd.InMemorySource([[1, 2]] * 9)).pack(4, eod_id=0)
    ramped = packed.batch(rd.BatchSchedule(16, factors={3: 0.25}))
    with pytest.raises(rd.PipelineError, match=r"shape \(4, 4\)"):
        ramped.place(Mesh(DEVICES, "data"))


def test_the_rows_of_some_devices_are_all_that_is_needed() -> None:
    every = cells_needed(SHARDINGS["data parallel"], (16, 4))
    assert rows_of(every, 16).tolist() == list(range(16))
    assert rows_of(cells_needed(SHARDINGS["some devices"], (4, 4)), 4).tolist() == [0, 1, 2, 3]


def test_arrays_are_formed_from_the_rows_that_are_there() -> None:
    sharding = SHARDINGS["devices in another order"]
    local = np.arange(32, dtype=np.int32).reshape(16, 2)
    array = to_global(np.arange(16), local, sharding, 16)
    np.testing.assert_array_equal(np.asarray(array), local)


def test_a_state_of_one_mesh_continues_on_another() -> None:
    data = rows()
    first = iter(data.place(SHARDINGS["sequence over an axis"]).prefetch(2))
    next(first), next(first)
    with first, iter(data.place(SHARDINGS["devices in another order"])) as second:
        second.set_state(first.get_state())
        np.testing.assert_array_equal(np.asarray(next(second).inputs), np.asarray(next(first).inputs))
