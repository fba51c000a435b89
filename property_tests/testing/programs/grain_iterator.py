"""Run by test_grain_iterator_processes.py: iterators of configs on several processes, saved and restored."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from property_tests.testing.processes import join_run, report
from property_tests.testing.running import raw
from resumable_data.digest import digest
from resumable_data.grain_data_processing import GrainArrayRecordsDataConfig, make_grain_iterator
from resumable_data.multihost_dataloading import MultiHostDataLoadIterator

KINDS = ("tokens", "text", "mix", "evaluation")


def iterator(kind: str, corpus: Path, mesh: Mesh) -> MultiHostDataLoadIterator:
    """Makes the iterator of a kind of config, over the corpus that the test wrote."""

    def config(name: str, **settings: Any) -> GrainArrayRecordsDataConfig:
        return GrainArrayRecordsDataConfig(
            name=name,
            data_path=corpus / name,
            tokenize_data=name == "text",
            tokenizer_path=str(corpus / "tokenizer"),
            global_batch_size=8,
            max_target_length=16,
            **settings,
        )

    training = {"shuffle_data": True, "drop_remainder": True, "grain_packing": True, "batch_rampup_factors": {2: 2}}
    processes = [3, 2, 1, 0][-jax.process_count() :]
    if kind == "mix":
        configs = [config("text", **training), config("tokens", **training)]
        return make_grain_iterator(configs, mesh, processes, [3, 1])
    if kind == "evaluation":
        return make_grain_iterator(config("text"), mesh, processes)
    return make_grain_iterator(config(kind, **training), mesh, processes)


def epochs(batches: Any) -> Iterator[str]:
    """Returns digests of all rows of each batch, epoch after epoch."""
    return (digest(repr(raw(jax.tree.map(_everywhere, batch)))) for batch in chain.from_iterable(repeat(batches)))


def _everywhere(array: jax.Array) -> np.ndarray[Any, Any]:
    replicated = NamedSharding(array.sharding.mesh, PartitionSpec())
    return np.asarray(jax.jit(lambda same: same, out_shardings=replicated)(array).addressable_data(0))


def main(action: str, corpus: Path, directory: Path) -> None:
    """Saves each kind after three batches, or restores it. Reports the batches after that."""
    join_run()
    mesh = Mesh(np.array(jax.devices()), "data")
    for kind in KINDS:
        with ocp.CheckpointManager(directory / kind) as manager, iterator(kind, corpus, mesh) as batches:
            if action == "save":
                found = epochs(batches)
                before = list(islice(found, 3))
                manager.save(3, args=ocp.args.Composite(data=rd.checkpoint.DataSave(batches)))
                report(kind=kind, batches=before + list(islice(found, 4)))
            else:
                manager.restore(3, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(batches)))
                report(kind=kind, batches=list(islice(epochs(batches), 4)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
