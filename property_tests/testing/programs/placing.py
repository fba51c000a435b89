"""Run by test_place_processes.py: each process reports its parts of placed batches, and the records that it read."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from property_tests.testing.processes import join_run, report

ROWS, LENGTH = 8, 16
TOKENS_A_RECORD = 64
MEASURED = "measured by shares"
SCHEDULE = rd.BatchSchedule(ROWS, factors={1: 2, 4: 3})


class CountingSource:
    """Documents whose tokens tell their record. It notes which were read.

    Attributes:
        records_read: The indices of all records that were read.
    """

    def __init__(self) -> None:
        lengths = [1 + record * 7 % 41 for record in range(90)]
        first = [1 + TOKENS_A_RECORD * record for record in range(90)]
        self._source = rd.InMemorySource([list(range(f, f + n)) for f, n in zip(first, lengths, strict=True)])
        self.records_read: set[int] = set()

    def __len__(self) -> int:
        return len(self._source)

    def read(self, indices: Any) -> Any:
        self.records_read.update(indices.tolist())
        return self._source.read(indices)

    def lengths(self, indices: Any) -> Any:
        return self._source.lengths(indices)

    def fingerprint(self) -> str:
        return self._source.fingerprint()


def same(document: Any) -> Any:
    """Returns the document. Its length is not known after a map."""
    return document


def pipelines(source: Any) -> dict[str, rd.Dataset[rd.LLMBatch]]:
    """Makes finite batches, so that nothing is read ahead for batches that are never delivered."""
    documents = rd.Dataset.from_source(source).shuffle(3)
    return {
        "packed, ramped": documents.pack(LENGTH, window=20, eod_id=0).batch(SCHEDULE, drop_remainder=False),
        "packed by cutting": documents.pack(LENGTH, strategy="concat_split", window=20, eod_id=0).batch(ROWS),
        "indexed": documents.pad(LENGTH, eod_id=0).batch(ROWS, batch_type=rd.LLMIndexedBatch),
        MEASURED: documents.map(same, name="same").pack(LENGTH, window=6, eod_id=0).batch(SCHEDULE, shards=5),
    }


def shardings() -> dict[str, NamedSharding]:
    devices = np.array(jax.devices())
    shuffled = devices[[5, 2, 7, 0, 3, 6, 1, 4]]
    of_two_processes = np.array([device for device in devices if device.process_index in (3, 1)])[::-1]
    fsdp_tensor = Mesh(devices.reshape(4, 2), ("fsdp", "tensor"))
    tensor_over_processes = Mesh(devices.reshape(2, 4), ("fsdp", "tensor"))
    sequence_over_processes = Mesh(devices.reshape(2, 4).T, ("data", "sequence"))
    return {
        "data parallel": NamedSharding(Mesh(devices, "data"), PartitionSpec("data")),
        "fsdp x tensor": NamedSharding(fsdp_tensor, PartitionSpec("fsdp")),
        "tensor over processes": NamedSharding(tensor_over_processes, PartitionSpec("fsdp")),
        "rows over two axes": NamedSharding(fsdp_tensor, PartitionSpec(("tensor", "fsdp"))),
        "replicated everywhere": NamedSharding(fsdp_tensor, PartitionSpec()),
        "sequence over processes": NamedSharding(sequence_over_processes, PartitionSpec("data", "sequence")),
        "sequence alone": NamedSharding(Mesh(shuffled, "sequence"), PartitionSpec(None, "sequence")),
        "shuffled devices": NamedSharding(Mesh(shuffled, "data"), PartitionSpec("data")),
        "shuffled devices, sequence": NamedSharding(
            Mesh(shuffled.reshape(4, 2), ("data", "sequence")), PartitionSpec("data", "sequence")
        ),
        "processes 3 and 1 alone": NamedSharding(Mesh(of_two_processes, "data"), PartitionSpec("data")),
    }


def unlike(placed: rd.LLMBatch, plain: rd.LLMBatch, sharding: NamedSharding) -> list[str]:
    """Returns the shards of a placed batch whose bytes are not those of the plain batch at their place."""
    found: list[str] = []
    assert jax.tree.structure(placed) == jax.tree.structure(plain)
    for array, whole in zip(jax.tree.leaves(placed), jax.tree.leaves(plain), strict=True):
        assert (array.shape, array.dtype) == (whole.shape, whole.dtype)
        places = sharding.devices_indices_map(plain.inputs.shape)
        for shard in array.addressable_shards:
            expected = whole[places[shard.device][: whole.ndim]]
            if np.asarray(shard.data).tobytes() != expected.tobytes() or shard.data.shape != expected.shape:
                found.append(f"{shard.device} {shard.index}")
    return found


def records_in(plain: rd.LLMBatch, sharding: NamedSharding) -> set[int]:
    """Returns the records of the tokens in the cells of a batch that this process's devices hold."""
    records: set[int] = set()
    for device, place in sharding.devices_indices_map(plain.inputs.shape).items():
        if device.process_index == jax.process_index():
            for cells in (plain.inputs[place], plain.targets[place]):
                records.update(((cells[cells > 0] - 1) // TOKENS_A_RECORD).tolist())
    return records


def main() -> None:
    join_run()
    for name, data in pipelines(CountingSource()).items():
        plain = list(data)
        for mesh, sharding in shardings().items():
            needed = set[int]().union(*(records_in(batch, sharding) for batch in plain))
            for prefetch in (0, 2):
                source = CountingSource()
                placed = pipelines(source)[name].place(sharding)
                with iter(placed.prefetch(prefetch) if prefetch else placed) as iterator:
                    batches = list(iterator)
                report(
                    case=[name, mesh, prefetch],
                    batches=len(batches),
                    expected_batches=len(plain),
                    shards=len(batches[0].inputs.addressable_shards),
                    unlike=[shard for pair in zip(batches, plain, strict=True) for shard in unlike(*pair, sharding)],
                    needed=sorted(needed),
                    read=sorted(source.records_read),
                )


if __name__ == "__main__":
    main()
