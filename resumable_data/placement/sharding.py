"""Finds the rows that a process needs of a ``NamedSharding``, and makes global arrays of these rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resumable_data.arguments import kind_of, shown
from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.errors import PipelineError


def as_sharding(where: Mesh | NamedSharding) -> NamedSharding:
    """Returns the sharding itself; for a mesh, one that spreads the rows over all axes.

    Raises:
        PipelineError: It is neither.
    """
    if isinstance(where, Mesh):
        return NamedSharding(where, PartitionSpec(where.axis_names))
    if not isinstance(cast(object, where), NamedSharding) or not isinstance(cast(object, where.mesh), Mesh):
        raise PipelineError(
            f"place takes a Mesh, or a NamedSharding on one, not {kind_of(where)} ({shown(where)}): as in "
            "place(Mesh(np.array(jax.devices()), ('data',))), or place(NamedSharding(mesh, PartitionSpec('data')))"
        )
    return where


def for_rank(sharding: NamedSharding, rank: int) -> NamedSharding:
    """Returns the sharding of a field with fewer axes than (batch, length)."""
    return NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[:rank]))


def check_shape(sharding: NamedSharding, shape: tuple[int, ...]) -> None:
    """Raises PipelineError unless a global array of this shape can be laid out."""
    try:
        sharding.shard_shape(shape)
    except (IndexError, ValueError) as error:
        sizes = dict(sharding.mesh.shape)
        raise PipelineError(
            f"place: a batch of shape {shape} cannot be laid out as {sharding.spec} on a mesh of {sizes}: {error}"
        ) from error


class Cells(NamedTuple):
    """Cells of a global array: rows ``[top, bottom)``, columns ``[left, right)``."""

    top: int
    bottom: int
    left: int
    right: int


def cells_needed(sharding: NamedSharding, shape: tuple[int, int], process: int | None = None) -> tuple[Cells, ...]:
    """Finds the cells of a global array that a process's devices hold. Each rectangle occurs once, in order.

    Args:
        sharding: Where the array lies.
        shape: Its shape.
        process: The process; by default this one.
    """
    process = jax.process_index() if process is None else process
    found: set[Cells] = set()
    indices: Mapping[Any, tuple[slice, ...]] = cast(Any, sharding).devices_indices_map(shape)
    for device, index in indices.items():
        if device.process_index == process:
            (top, bottom, _), (left, right, _) = (part.indices(size) for part, size in zip(index, shape, strict=True))
            found.add(Cells(top, bottom, left, right))
    return tuple(sorted(found))


def rows_of(cells: Collection[Cells], n_rows: int) -> Int64Array:
    """Finds the rows in which any of the cells lie: int64[m], ascending."""
    needed = np.zeros(n_rows, np.bool_)
    for rectangle in cells:
        needed[rectangle.top : rectangle.bottom] = True
    return np.flatnonzero(needed)


def spans_in(cells: Collection[Cells], row: Int64Array, begin: Int64Array, end: Int64Array) -> BoolArray:
    """Tells which spans have a token in the cells: bool[n].

    Args:
        cells: Rectangles of cells.
        row: int64[n], the global row of each span.
        begin: int64[n], its first column.
        end: int64[n], the column after its last.

    >>> row, begin = np.array([0, 0, 1]), np.array([0, 4, 0])
    >>> spans_in([Cells(0, 2, 4, 8)], row, begin, end=np.array([4, 6, 8])).tolist()
    [False, True, True]
    """
    needed = np.zeros(len(row), np.bool_)
    for rectangle in cells:
        in_rows = (row >= rectangle.top) & (row < rectangle.bottom)
        needed |= in_rows & (begin < rectangle.right) & (end > rectangle.left)
    return needed


def to_global(rows: Int64Array, local: Any, sharding: NamedSharding, n_rows: int) -> jax.Array:
    """Makes the global array, from the rows that this process needs.

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

    # A process without a device of the mesh has no data, so the dtype must be given.
    return jax.make_array_from_callback((n_rows, *local.shape[1:]), sharding, shard, dtype=local.dtype)
