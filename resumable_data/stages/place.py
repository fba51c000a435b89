"""The place stage: global ``jax.Array`` batches, on the devices of a sharding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
from jax.sharding import NamedSharding

from resumable_data.arrays import Int64Array
from resumable_data.batch import LLMBatch
from resumable_data.placement.sharding import for_rank, rows_needed, to_global


@dataclass(frozen=True)
class PlacedRows:
    """Row ``r`` of a batch is row ``r`` of the global array, on any mesh.

    Attributes:
        sharding: Where a batch of shape (batch, length) lies.
        length: Tokens a row.
    """

    sharding: NamedSharding
    length: int

    @cached_property
    def _rows(self) -> dict[int, Int64Array]:
        return {}

    def rows(self, n_rows: int) -> Int64Array:
        """The rows that this process's devices hold any part of."""
        if n_rows not in self._rows:
            self._rows[n_rows] = rows_needed(self.sharding, (n_rows, self.length))
        return self._rows[n_rows]

    def finish(self, batch: LLMBatch, n_rows: int) -> LLMBatch:
        """The global batch, of which this process has these rows."""
        rows = self.rows(n_rows)

        def placed(field: Any) -> jax.Array:
            return to_global(rows, field, for_rank(self.sharding, field.ndim), n_rows)

        return jax.tree.map(placed, batch)

    def struct(self, batch: LLMBatch) -> LLMBatch:
        """The global shapes, with their shardings."""

        def placed(leaf: Any) -> jax.ShapeDtypeStruct:
            sharding = for_rank(self.sharding, len(leaf.shape))
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        return jax.tree.map(placed, batch)
