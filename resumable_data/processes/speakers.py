"""Which process measures the windows of a logical shard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resumable_data.arrays import Int64Array


def speakers_of(rows_of_processes: Sequence[Int64Array], n_rows: int, shards: int) -> list[int]:
    """Chooses the process that measures each logical shard: the first one that delivers rows of its slots.

    Shard s has slots ``[s * n_rows // shards, (s + 1) * n_rows // shards)`` of a batch. If there are more shards than
    rows, some shards have no slot. They go to the process that delivers row ``s * n_rows // shards``.

    Args:
        rows_of_processes: int64[k] for each process: the rows of a batch that it delivers. Processes may share rows.
        n_rows: Rows of a batch.
        shards: Number of logical shards.

    Returns:
        For each shard, an index into ``rows_of_processes``.

    Raises:
        ValueError: No process delivers the rows of a shard.

    >>> speakers_of([np.array([0, 1, 2]), np.array([3, 4, 5])], n_rows=6, shards=4)
    [0, 0, 1, 1]
    >>> speakers_of([np.array([0]), np.array([1])], n_rows=2, shards=4)
    [0, 0, 1, 1]
    """
    nobody = len(rows_of_processes)
    # owners: int64[n_rows], the first process that delivers each row
    owners = np.full(n_rows, nobody, np.int64)
    for process in reversed(range(nobody)):
        owners[rows_of_processes[process]] = process
    # firsts: int64[shards], the first slot of each shard. For a shard without slots, reduceat takes the row there.
    firsts = np.arange(shards, dtype=np.int64) * n_rows // shards
    speakers = np.minimum.reduceat(owners, firsts).tolist()
    if nobody in speakers:
        raise ValueError(f"no process delivers the rows of logical shard {speakers.index(nobody)} of {shards}")
    return speakers
