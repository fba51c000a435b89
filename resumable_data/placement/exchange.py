"""A few integers of each process, known to all of them: one small collective on the devices of a mesh."""

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
    """Hands in this process's numbers without waiting for the others.

    Every process that owns devices of the mesh has to call this, with equally many numbers and in the same order
    among everything else that it starts on them.

    Args:
        mesh: Tells which processes take part.
        numbers: Each at least 0 and below 2³¹.

    Returns:
        What ``read_exchange`` waits for.
    """
    message = np.asarray([numbers], np.int32)
    shape = (mesh.devices.size, len(numbers))
    given = jax.make_array_from_callback(shape, as_sharding(mesh), lambda _: message, dtype=np.int32)
    return _everywhere(mesh)(given)


def read_exchange(mesh: Mesh, started: jax.Array) -> dict[int, Int32Array]:
    """Waits for the numbers of all: by process, ascending, int32[n]."""
    table = np.asarray(started.addressable_data(0))
    owners = [device.process_index for device in mesh.devices.flat]
    return {process: table[owners.index(process)] for process in sorted(set(owners))}


@cache
def _everywhere(mesh: Mesh) -> Any:
    def same(numbers: jax.Array) -> jax.Array:
        return numbers

    return jax.jit(same, out_shardings=NamedSharding(mesh, PartitionSpec()))
