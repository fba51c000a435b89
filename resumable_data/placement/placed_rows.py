"""The place stage: global ``jax.Array`` batches, on the devices of a sharding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import NamedSharding

from resumable_data.arrays import BoolArray, Int64Array, offsets_of
from resumable_data.batch import BatchT
from resumable_data.opaque import PyTree
from resumable_data.packing.plan import RowPlan
from resumable_data.placement.sharding import Cells, cells_needed, for_rank, rows_of, spans_in, to_global
from resumable_data.timing import Work
from resumable_data.waits import Doing


@dataclass(frozen=True)
class PlacedRows:
    """Row ``r`` of a batch is row ``r`` of the global array, on any mesh.

    Attributes:
        sharding: Where a batch of shape (batch, length) lies.
        length: Tokens a row.
    """

    sharding: NamedSharding
    length: int

    def __str__(self) -> str:
        axes = ", ".join(f"{name}={size}" for name, size in self.sharding.mesh.shape.items())
        return f"placed on a mesh of {axes}, by {self.sharding.spec}"

    @cached_property
    def _needed(self) -> dict[int, tuple[tuple[Cells, ...], Int64Array]]:
        return {}

    def rows(self, n_rows: int) -> Int64Array:
        """Returns the rows of which this process's devices hold any part."""
        return self._needed_of(n_rows)[1]

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """Returns the spans with a token in the columns of this process's devices, or None for all."""
        cells, rows = self._needed_of(n_rows)
        if all(rectangle.left == 0 and rectangle.right == self.length for rectangle in cells):
            return None
        spans_of_row = np.diff(plan.rows)
        ends = np.cumsum(plan.length) - np.repeat(offsets_of(plan.length)[plan.rows[:-1]], spans_of_row)
        # Inputs have a document's last token once more, in the padding after it.
        last = plan.rows[1:][spans_of_row > 0] - 1
        reaches = ends.copy()
        reaches[last] = np.minimum(reaches[last] + 1, self.length)
        return spans_in(cells, np.repeat(rows, spans_of_row), ends - plan.length, reaches)

    def _needed_of(self, n_rows: int) -> tuple[tuple[Cells, ...], Int64Array]:
        if n_rows not in self._needed:
            cells = cells_needed(self.sharding, (n_rows, self.length))
            self._needed[n_rows] = cells, rows_of(cells, n_rows)
        return self._needed[n_rows]

    def finish(self, batch: BatchT, n_rows: int) -> BatchT:
        """Makes the global batch from the rows of this process."""
        rows = self.rows(n_rows)

        def placed(field: PyTree) -> jax.Array:
            return to_global(rows, field, for_rank(self.sharding, field.ndim), n_rows)

        with Doing(_placing, Work.PLACING):
            return jax.tree.map(placed, batch)

    def struct(self, batch: BatchT) -> BatchT:
        """Returns the global shapes, with their shardings."""

        def placed(leaf: PyTree) -> jax.ShapeDtypeStruct:
            sharding = for_rank(self.sharding, len(leaf.shape))
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        return jax.tree.map(placed, batch)

    @property
    def processes(self) -> tuple[int, ...]:
        """The processes with devices of the mesh; none for a process that has no such device, or all of them."""
        return self.sharers if jax.process_index() in self.sharers else ()

    @property
    def sharers(self) -> tuple[int, ...]:
        """The processes with devices of the mesh; none if there is only one."""
        return self._processes_of_mesh if len(self._processes_of_mesh) > 1 else ()

    @cached_property
    def _processes_of_mesh(self) -> tuple[int, ...]:
        devices = cast(Any, self.sharding.device_set)
        return tuple(sorted({device.process_index for device in devices}))

    @property
    def place(self) -> int:
        """The place of this process among those with devices of the mesh; after them if it has none."""
        processes = self._processes_of_mesh
        return processes.index(jax.process_index()) if jax.process_index() in processes else len(processes)

    def rows_of_all(self, n_rows: int) -> Sequence[Int64Array]:
        """Returns the rows that each process of the mesh holds on its devices, in part or whole."""
        return [
            rows_of(cells_needed(self.sharding, (n_rows, self.length), process), n_rows)
            for process in self._processes_of_mesh
        ]


def _placing() -> str:
    return "placing a batch"
