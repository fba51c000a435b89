"""Forms global arrays of the rows of all processes. The rows of the first process come first, on any mesh."""

from __future__ import annotations

from collections import Counter

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resumable_data.arrays import AnyArray
from resumable_data.errors import PipelineError
from resumable_data.opaque import PyTree
from resumable_data.placement.sharding import as_sharding, to_global

# Kinds of NumPy dtypes: objects, bytes, text, differences of time, times.
_NOT_NUMBERS = "OSUmM"


def processes_of(mesh: Mesh) -> tuple[int, ...]:
    """Returns the processes that own devices of a mesh, ascending.

    Raises:
        PipelineError: This process owns none of the devices, or some processes own more devices than others.
    """
    devices = Counter(device.process_index for device in mesh.devices.flat)
    if jax.process_index() not in devices:
        raise PipelineError(
            f"process {jax.process_index()} owns no device of the mesh {dict(mesh.shape)} and gives no rows. The "
            f"devices belong to processes {sorted(devices)}: iterate only on those"
        )
    if len(set(devices.values())) > 1:
        counts = ", ".join(f"process {process} {devices[process]}" for process in sorted(devices))
        raise PipelineError(
            "every process gives the same number of rows, so every process must own the same number of devices of "
            f"the mesh, but they own: {counts}. Choose another mesh"
        )
    return tuple(sorted(devices))


def global_layout(local_shape: tuple[int, ...], mesh: Mesh) -> tuple[tuple[int, ...], NamedSharding]:
    """Returns shape and sharding of a global array to which each process gives an array of ``local_shape``.

    Args:
        local_shape: Shape of the array that this process gives, rows first.
        mesh: The rows are divided among all its devices.

    Raises:
        PipelineError: The rows cannot be divided among the process's devices, or the mesh cannot be used.
    """
    n_processes = len(processes_of(mesh))
    n_devices = mesh.devices.size // n_processes
    if not local_shape:
        raise PipelineError("an array without axes has no rows to divide among devices: give an array of rows")
    if local_shape[0] % n_devices:
        raise PipelineError(
            f"the {local_shape[0]} rows of shape {local_shape} cannot be divided among this process's {n_devices} "
            "devices: choose another batch size, drop the remainder, or pad"
        )
    return (local_shape[0] * n_processes, *local_shape[1:]), as_sharding(mesh)


def form_global(local: PyTree, mesh: Mesh) -> jax.Array:
    """Forms a global array of G rows: process ``i`` of ``n`` gives rows ``[i * G / n, (i + 1) * G / n)``.

    If the mesh's devices are not in the order of the processes, rows travel between processes. This is a collective:
    all processes of the mesh must take part.

    Args:
        local: [rows, ...], the rows of this process: a NumPy array, or a value that NumPy converts to one.
        mesh: The rows are divided among all its devices, in its order.

    Raises:
        PipelineError: The array cannot be laid out on the mesh, or JAX cannot hold its values.

    >>> np.asarray(form_global(np.arange(16), Mesh(np.array(jax.devices()), "data")))[:4].tolist()
    [0, 1, 2, 3]
    """
    array = canonical(local)
    shape, sharding = global_layout(array.shape, mesh)
    first = processes_of(mesh).index(jax.process_index()) * len(array)
    # rows: int64[n_local], the global number of each row of this process
    rows = np.arange(first, first + len(array))
    by_process = _order_by_process(mesh)
    if by_process is mesh:
        return to_global(rows, array, sharding, shape[0])
    given = to_global(rows, array, NamedSharding(by_process, PartitionSpec(by_process.axis_names)), shape[0])
    return jax.device_put(given, sharding)


def _order_by_process(mesh: Mesh) -> Mesh:
    """Returns the mesh if its devices are in the order of their processes; otherwise a mesh in that order."""
    devices = list(mesh.devices.flat)
    ordered = sorted(devices, key=lambda device: device.process_index)
    return mesh if ordered == devices else Mesh(np.array(ordered), ("rows",))


def canonical(local: PyTree) -> AnyArray:
    """Converts a process's array to NumPy, in the dtype that JAX gives it.

    Raises:
        PipelineError: The array is already global, JAX has no such dtype, or JAX's dtype cannot hold a value.

    >>> canonical([1, 2]).dtype, canonical(np.float64(0.5)).dtype
    (dtype('int32'), dtype('float32'))
    """
    if isinstance(local, jax.Array) and not local.is_fully_addressable:
        raise PipelineError(
            "this array is already global: give the rows of this process, from a pipeline without place()"
        )
    array = np.asarray(local)
    if array.dtype.kind in _NOT_NUMBERS or array.dtype.names:
        raise PipelineError(f"dtype {array.dtype} cannot be put on a device: give numbers")
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    converted = array.astype(dtype, copy=False)
    if array.dtype.kind in "iu" and converted.dtype != array.dtype and not np.array_equal(converted, array):
        raise PipelineError(
            f"{array.dtype} has values that {dtype} cannot hold: enable jax_enable_x64, or give {dtype}"
        )
    return converted
