"""The number of logical shards of a pipeline."""

from __future__ import annotations

MOST_SHARDS = 64


def default_shards(largest_batch: int) -> int:
    """Returns the number of logical shards of a pipeline, given the rows of its largest batch.

    It is the largest number from 33 to 64 that divides the batch. If there is none, it is 64, or the batch itself if
    that is smaller.

    >>> default_shards(64), default_shards(96), default_shards(512), default_shards(67), default_shards(8)
    (64, 48, 64, 64, 8)
    """
    for shards in range(MOST_SHARDS, MOST_SHARDS // 2, -1):
        if largest_batch % shards == 0:
            return shards
    return min(MOST_SHARDS, largest_batch)
