"""Run by test_emergency_processes.py: recipes of docs/trainers.md for managers that save to local disks."""

from __future__ import annotations

import os
import re
import signal
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import flags
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from property_tests.testing.processes import ROOT, join_run, report

LAST = 11
RECIPES = dict(
    zip(
        ("emergency", "replicator"),
        re.findall(r"```py\n(.*?)```", (ROOT / "docs" / "trainers.md").read_text(), re.DOTALL),
        strict=True,
    )
)


def pipeline() -> rd.Dataset[rd.LLMBatch]:
    """Makes batches of 8 rows."""
    documents = rd.Dataset.from_source(rd.SyntheticSource(50, lengths=[3, 5, 9], vocabulary=100))
    return documents.shuffle(7).repeat().append_eod(1).pack(16, window=20).batch(8)


def digest_of(rows: Any) -> str:
    """Identifies a part of a batch."""
    return sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()


def main() -> None:
    kind, folder, kill_at = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    join_run()
    ocp.multihost.initialize_runtime_to_distributed_ids()
    ocp.multihost.initialize_distributed_to_device_ids()
    flags.FLAGS.mark_as_parsed()
    local, shared = folder / f"local{jax.process_index()}", folder / "shared"
    for path in (local, shared / "state", shared / "data"):
        path.mkdir(parents=True, exist_ok=True)
    mesh = Mesh(np.array(jax.devices()).reshape(2, -1), ("replica", "data"))

    def train_step(state: Any, batch: rd.LLMBatch) -> Any:
        step = int(state["count"])
        report(step=step, seen=digest_of(np.concatenate([shard.data for shard in batch.targets.addressable_shards])))
        if step + 1 == kill_at:
            # The background save must be complete: a kill in the middle can leave only one of its two parts.
            given["manager"].wait_until_finished()
            os.kill(os.getpid(), signal.SIGKILL)
        return jax.tree.map(lambda count: count + 1, state)

    given: dict[str, Any] = {
        "data": pipeline(),
        "global_mesh": mesh,
        "sharding": NamedSharding(mesh, PartitionSpec("replica")),
        "state": {"count": jax.device_put(np.zeros((), np.int32), NamedSharding(mesh, PartitionSpec()))},
        "train_step": train_step,
        "last_step": LAST,
        "local": local,
        "shared": shared,
        "jax": jax,
        "ocp": ocp,
        "rd": rd,
    }
    exec(RECIPES[kind], given)


if __name__ == "__main__":
    main()
