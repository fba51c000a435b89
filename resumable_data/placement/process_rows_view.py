"""The shard stage: the rows of one process, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.batch import BatchT
from resumable_data.errors import PipelineError
from resumable_data.opaque import PyTree
from resumable_data.packing.plan import RowPlan


@dataclass(frozen=True)
class ProcessRows:
    """Process ``i`` of ``n`` sees rows ``[i * G / n, (i + 1) * G / n)`` of every batch of G.

    Attributes:
        process_index: i, from 0.
        process_count: n, which divides every batch.
        processes: Their JAX process indices, if several processes deliver batches together.
    """

    process_index: int
    process_count: int
    processes: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"rows of process {self.process_index} of {self.process_count}"

    def __post_init__(self) -> None:
        if not 0 <= self.process_index < self.process_count:
            raise PipelineError(f"shard: process_index={self.process_index} is not in [0, {self.process_count})")

    def check(self, method: str, sizes: Sequence[int]) -> None:
        """Raises PipelineError, with the counts that would work, unless every batch can be divided."""
        if any(size % self.process_count for size in sizes):
            common = math.gcd(*sizes)
            divisors = [count for count in range(1, common + 1) if common % count == 0]
            raise PipelineError(
                f"{method}: batches of {', '.join(map(str, sizes))} rows cannot be divided among "
                f"{self.process_count} processes; they can among {', '.join(map(str, divisors))}"
            )

    def rows(self, n_rows: int) -> Int64Array:
        """Returns the rows of this process."""
        return self.rows_of_all(n_rows)[self.process_index]

    @property
    def sharers(self) -> tuple[int, ...]:
        """The same processes: each of them has rows."""
        return self.processes

    @property
    def place(self) -> int:
        """The index of this process."""
        return self.process_index

    def rows_of_all(self, n_rows: int) -> Sequence[Int64Array]:
        """Returns equally many rows for each process."""
        share = n_rows // self.process_count
        return [np.arange(process * share, (process + 1) * share) for process in range(self.process_count)]

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """Returns None: this process needs all spans of its rows."""
        return None

    def finish(self, batch: BatchT, n_rows: int) -> BatchT:
        """Returns the batch of these rows."""
        return batch

    def struct(self, batch: BatchT) -> BatchT:
        """Returns the shapes with this process's number of rows."""

        def shared(leaf: PyTree) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((leaf.shape[0] // self.process_count, *leaf.shape[1:]), leaf.dtype)

        return jax.tree.map(shared, batch)
