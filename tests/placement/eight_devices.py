"""Run by test_sharding.py with eight CPU devices: compares placed batches with plain ones on many meshes."""

import itertools

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from resumable_data.placement.sharding import cells_needed, rows_of

DEVICES = np.array(jax.devices())
ORDERS = {"as they are": DEVICES, "reversed": DEVICES[::-1], "interleaved": DEVICES.reshape(2, 4).T.reshape(-1)}
MESHES = {(8,): ("a",), (4, 2): ("a", "b"), (2, 4): ("a", "b"), (2, 2, 2): ("a", "b", "c")}
SPECS = [
    PartitionSpec(),
    PartitionSpec("a"),
    PartitionSpec("a", "b"),
    PartitionSpec(None, "a"),
    PartitionSpec(("b", "a")),
    PartitionSpec(("a", "c"), "b"),
]


def main() -> None:
    assert len(DEVICES) == 8
    data = rd.Dataset.from_source(rd.SyntheticSource(50, [3, 30, 9])).pad(16, eod_id=0)
    data = data.batch(8, batch_type=rd.LLMIndexedBatch)
    plain = next(iter(data))
    for (shape, axes), (name, devices), spec in itertools.product(MESHES.items(), ORDERS.items(), SPECS):
        mesh = Mesh(devices.reshape(shape), axes)
        used = {axis for part in spec for axis in (part if isinstance(part, tuple) else (part,))}
        if not used - {None} <= set(axes):
            continue
        sharding = NamedSharding(mesh, spec)
        placed = next(iter(data.place(sharding)))
        jax.tree.map(np.testing.assert_array_equal, placed, plain)
        assert placed.inputs.sharding == sharding, (shape, name, spec)
        struct = data.place(sharding).batch_struct()
        for leaf, expected in zip(jax.tree.leaves(placed), jax.tree.leaves(struct), strict=True):
            assert (leaf.shape, leaf.dtype, leaf.sharding) == (expected.shape, expected.dtype, expected.sharding)
        on_mesh = next(iter(data.place(mesh)))
        jax.tree.map(np.testing.assert_array_equal, on_mesh, plain)
        assert len({str(shard.index) for shard in on_mesh.document_idx.addressable_shards}) == 8
        assert rows_of(cells_needed(sharding, plain.inputs.shape), 8).tolist() == list(range(8))


if __name__ == "__main__":
    main()
