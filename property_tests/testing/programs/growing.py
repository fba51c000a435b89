"""A run whose documents have to be read grows, and its rows get another length, on any number of processes.

Arguments: ``save``; or ``restore`` and the file of a state.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from property_tests.testing.processes import join_run, report

STEPS = 60


def read(tokens: Sequence[int]) -> Sequence[int]:
    """Returns the tokens; that it might not makes their number unknown."""
    return tokens


def pipeline(count: int, length: int) -> Any:
    """Makes batches of documents that only reading measures."""
    import resumable_data as rd

    records = [[1 + record % 500] * (1 + (record * 7) % 11) for record in range(count)]
    documents = rd.Dataset.from_source(rd.InMemorySource(records), name="web").map(read, name="read")
    return documents.shuffle(seed=1).repeat().pack(length, eod_id=0, window=32).batch(8, shards=4)


def main() -> None:
    """Saves, or restores and delivers."""
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec

    sharding = NamedSharding(jax.make_mesh((jax.device_count(),), ("data",)), PartitionSpec("data"))
    if sys.argv[1] == "save":
        with iter(pipeline(600, 16).place(sharding)) as iterator:
            for _ in range(5):
                next(iterator)
            report(state=iterator.get_state())
        return
    state = json.loads(Path(sys.argv[2]).read_text())
    with iter(pipeline(700, 24).place(sharding)) as iterator:
        iterator.set_state(state, allow={"data", "length"})
        rows: list[list[tuple[int, list[int]]]] = []
        for _ in range(STEPS):
            shards = next(iterator).targets.addressable_shards
            first = [(shard.index[0].start or 0, np.asarray(shard.data).tolist()) for shard in shards]
            rows.append([(start + number, row) for start, own in first for number, row in enumerate(own)])
        report(rows=rows, state=iterator.get_state(), epoch=iterator.edits[0].epoch)


if __name__ == "__main__":
    join_run()
    main()
