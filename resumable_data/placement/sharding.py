"""From a ``NamedSharding`` to the rows a process needs, and from these rows to global arrays."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError


def as_sharding(where: Mesh | NamedSharding) -> NamedSharding:
    """The sharding itself, or the rows over all axes of a mesh."""
    if isinstance(where, Mesh):
        return NamedSharding(where, PartitionSpec(where.axis_names))
    return where


def for_rank(sharding: NamedSharding, rank: int) -> NamedSharding:
    """The sharding of a field with fewer axes than (batch, length)."""
    return NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[:rank]))


def check_shape(sharding: NamedSharding, shape: tuple[int, ...]) -> None:
    """Raises PipelineError unless a global array of this shape can be laid out."""
    try:
        sharding.shard_shape(shape)
    except ValueError as error:
        sizes = dict(sharding.mesh.shape)
        raise PipelineError(
            f"place: a batch of shape {shape} cannot be laid out as {sharding.spec} on a mesh of {sizes}: {error}"
        ) from error


def rows_needed(sharding: NamedSharding, shape: tuple[int, ...]) -> Int64Array:
    """Rows of a global array of which this process's devices hold any part: int64[m], ascending."""
    needed = np.zeros(shape[0], np.bool_)
    for index in sharding.addressable_devices_indices_map(shape).values():
        if index is not None:
            needed[index[0]] = True
    return np.flatnonzero(needed)


def to_global(rows: Int64Array, local: Any, sharding: NamedSharding, n_rows: int) -> jax.Array:
    """The global array of which this process has the rows it needs.

    Args:
        rows: int64[m], the global number of each row, ascending.
        local: [m, ...], these rows.
        sharding: Where the global array lies.
        n_rows: Its number of rows.
    """

    def shard(index: tuple[slice, ...] | None) -> Any:
        assert index is not None
        start, stop, _ = index[0].indices(n_rows)
        # The rows of a device are consecutive, and this process has all of them.
        first = int(np.searchsorted(rows, start))
        return local[(slice(first, first + stop - start), *index[1:])]

    return jax.make_array_from_callback((n_rows, *local.shape[1:]), sharding, shard)
