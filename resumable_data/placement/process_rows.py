"""From the rows that each process has to global arrays: those of the first process first, on any mesh."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resumable_data.errors import PipelineError
from resumable_data.placement.sharding import as_sharding, to_global

# Kinds of NumPy dtypes: objects, bytes, text, differences of time, times.
_NO_NUMBERS = "OSUmM"


def processes_of(mesh: Mesh) -> tuple[int, ...]:
    """The processes that own devices of a mesh, ascending.

    Raises:
        PipelineError: The present one is not among them, or some own more devices than others.
    """
    devices = Counter(device.process_index for device in mesh.devices.flat)
    if jax.process_index() not in devices:
        raise PipelineError(
            f"process {jax.process_index()} owns no device of the mesh {dict(mesh.shape)}, whose devices belong to "
            f"processes {sorted(devices)}: it has no rows to give, so iterate on those alone"
        )
    if len(set(devices.values())) > 1:
        counts = ", ".join(f"process {process} {devices[process]}" for process in sorted(devices))
        raise PipelineError(
            f"every process gives as many rows, so each has to own as many devices of the mesh, but: {counts}"
        )
    return tuple(sorted(devices))


def global_layout(local_shape: tuple[int, ...], mesh: Mesh) -> tuple[tuple[int, ...], NamedSharding]:
    """Shape and sharding of the global array to which each process gives an array of ``local_shape``.

    Raises:
        PipelineError: The rows cannot be divided among the process's devices, or the mesh cannot be used.
    """
    n_processes = len(processes_of(mesh))
    n_devices = mesh.devices.size // n_processes
    if not local_shape:
        raise PipelineError("an array without axes has no rows to be divided among devices")
    if local_shape[0] % n_devices:
        raise PipelineError(
            f"the {local_shape[0]} rows of shape {local_shape} cannot be divided among this process's {n_devices} "
            "devices: choose another batch size, drop the remainder, or pad"
        )
    return (local_shape[0] * n_processes, *local_shape[1:]), as_sharding(mesh)


def form_global(local: Any, mesh: Mesh) -> jax.Array:
    """The global array in which process ``i`` of ``n`` has given rows ``[i * G / n, (i + 1) * G / n)`` of G.

    Where the order of the mesh's devices is not that of the processes, rows travel from one process to another.
    That is a collective, which all processes of the mesh have to take part in.

    Args:
        local: [rows, ...], what this process gives; NumPy or anything that becomes it.
        mesh: The rows are divided among all its devices, in its order.

    Raises:
        PipelineError: The array cannot be laid out, or holds what JAX cannot.
    """
    array = canonical(local)
    shape, sharding = global_layout(array.shape, mesh)
    first = processes_of(mesh).index(jax.process_index()) * len(array)
    rows = np.arange(first, first + len(array))
    by_process = _by_process(mesh)
    if by_process is mesh:
        return to_global(rows, array, sharding, shape[0])
    given = to_global(rows, array, NamedSharding(by_process, PartitionSpec(by_process.axis_names)), shape[0])
    return jax.device_put(given, sharding)


def _by_process(mesh: Mesh) -> Mesh:
    """The mesh itself where its devices stand in the order of their processes, or one where they do."""
    devices = list(mesh.devices.flat)
    ordered = sorted(devices, key=lambda device: device.process_index)
    return mesh if ordered == devices else Mesh(np.array(ordered), ("rows",))


def canonical(local: Any) -> np.ndarray[Any, Any]:
    """A process's array in NumPy, in the dtype that JAX gives it.

    Raises:
        PipelineError: It is a global array, JAX has no such dtype, or integers would be cut off.

    >>> canonical([1, 2]).dtype, canonical(np.float64(0.5)).dtype
    (dtype('int32'), dtype('float32'))
    """
    if isinstance(local, jax.Array) and not local.is_fully_addressable:
        raise PipelineError("this is a global array already: give what this process has, of a pipeline not placed")
    array = np.asarray(local)
    if array.dtype.kind in _NO_NUMBERS or array.dtype.names:
        raise PipelineError(f"dtype {array.dtype} cannot be put on a device: give numbers")
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    converted = array.astype(dtype, copy=False)
    if array.dtype.kind in "iu" and converted.dtype != array.dtype and not np.array_equal(converted, array):
        raise PipelineError(
            f"{array.dtype} with values beyond {dtype} would be cut off: enable jax_enable_x64, or give {dtype}"
        )
    return converted
