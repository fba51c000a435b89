"""Figures from the plans of batches: tokens delivered, padding, and tokens that several processes read twice.

The library plans once. A row says which logical shard measured it, and its slot says which process delivers it. So
any number of processes can be examined without running them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

import numpy as np

import resumable_data as rd
from resumable_data.arrays import Int64Array
from resumable_data.packing.plan import RowPlan
from resumable_data.placement.process_rows_view import ProcessRows
from resumable_data.processes.speakers import speakers_of
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog


@dataclass(frozen=True)
class Delivered:
    """The counts of the batches of an epoch.

    Attributes:
        tokens: Tokens of all rows.
        tokens_of_full_batches: Tokens of the batches that ``drop_remainder=True`` delivers.
        rows_left: Rows after the last full batch.
        padding: Share of the cells that hold padding, if the last batch is filled up.
    """

    tokens: int
    tokens_of_full_batches: int
    rows_left: int
    padding: float


def planned_batches(dataset: rd.Dataset[rd.LLMBatch]) -> Iterator[RowPlan]:
    """Yields the rows of one global batch after the other, slot by slot. A row of padding has no span."""
    engine = cast(Batch, dataset.node).open_engine(Catalog())
    cursor, step = engine.start(), 0
    try:
        while (planned := engine.plan(cursor, step)) is not None:
            yield planned.plan.rows
            cursor, step = planned.after, step + 1
    finally:
        engine.close()


def delivered(dataset: rd.Dataset[rd.LLMBatch], row_length: int) -> Delivered:
    """Counts the deliveries of data that ends, in batches of one size with ``drop_remainder=False``."""
    tokens = full = left = cells = 0
    for plan in planned_batches(dataset):
        size, of_batch = len(plan), int(plan.length.sum())
        filled = int(np.count_nonzero(np.diff(plan.rows)))
        tokens, cells = tokens + of_batch, cells + size * row_length
        full, left = (full + of_batch, left) if filled == size else (full, filled)
    return Delivered(tokens, full, left, 1 - tokens / cells)


def shares_read_twice(
    dataset: rd.Dataset[rd.LLMBatch], shards: int, processes: Sequence[int], batches: int | None = None
) -> list[float]:
    """Returns the share of tokens that one process measured and another delivers, so that both read them.

    A document counts with all its tokens, once for each process that delivers a part of it.

    Args:
        dataset: Global batches.
        shards: Its logical shards.
        processes: Numbers of processes.
        batches: The number of batches to examine; all by default.
    """
    tokens = 0
    read: list[list[Int64Array]] = [[] for _ in processes]
    for plan in islice(planned_batches(dataset), batches):
        tokens += int(plan.length.sum())
        for count, found in zip(processes, read, strict=True):
            found.append(_read_twice(plan, shards, count))
    twice = [np.unique(np.concatenate(found, axis=1), axis=1)[-1].sum() for found in read]
    return [int(of_all) / tokens for of_all in twice]


def _read_twice(plan: RowPlan, shards: int, processes: int) -> Int64Array:
    """Returns documents that a process delivers but did not measure: int64[4, n], process, reader, record, tokens."""
    assert plan.owner is not None
    size = len(plan)
    rows_of_all: Sequence[Int64Array] = ProcessRows(0, processes).rows_of_all(size)
    speakers = np.array(speakers_of(rows_of_all, size, shards))
    process = np.repeat(np.arange(processes), list(map(len, rows_of_all)))  # of each row
    spans = np.repeat(np.arange(size), np.diff(plan.rows))  # the row of each span
    foreign = np.flatnonzero((speakers[plan.owner] != process)[spans])
    return np.stack(
        [process[spans[foreign]], plan.reader[foreign], plan.record[foreign], plan.document_length[foreign]]
    )
