"""Sends a few integers of each process to all others, in one small collective on the devices of a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resumable_data.arrays import Int32Array
from resumable_data.placement.sharding import as_sharding


def start_exchange(mesh: Mesh, numbers: Sequence[int]) -> jax.Array:
    """Sends the numbers of this process. It does not wait for the other processes.

    Every process that owns devices of the mesh must call this function, with the same count of numbers. All processes
    must start it at the same place in their work on these devices.

    Args:
        mesh: The processes that own its devices take part.
        numbers: Integers from 0 to 2³¹ - 1.

    Returns:
        The started exchange, for ``read_exchange``.
    """
    message = np.asarray([numbers], np.int32)
    shape = (mesh.devices.size, len(numbers))
    given = jax.make_array_from_callback(shape, as_sharding(mesh), lambda _: message, dtype=np.int32)
    return _replicate(mesh)(given)


def read_exchange(mesh: Mesh, started: jax.Array) -> dict[int, Int32Array]:
    """Waits for the numbers of all processes.

    Args:
        mesh: The mesh of the exchange.
        started: The result of ``start_exchange``.

    Returns:
        int32[n] for each process, ascending.

    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> {process: numbers.tolist() for process, numbers in read_exchange(mesh, start_exchange(mesh, [3, 5])).items()}
    {0: [3, 5]}
    """
    # table: int32[n_devices, n], one row for each device in the order of the mesh
    table = np.asarray(started.addressable_data(0))
    owners = [device.process_index for device in mesh.devices.flat]
    return {process: table[owners.index(process)] for process in sorted(set(owners))}


@cache
def _replicate(mesh: Mesh) -> Any:
    def same(numbers: jax.Array) -> jax.Array:
        return numbers

    return jax.jit(same, out_shardings=NamedSharding(mesh, PartitionSpec()))
