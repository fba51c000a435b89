"""The functions of ``xlstm_jax.dataset.multihost_dataloading``, under their names there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np  # noqa: F401 - for the examples  # pyright: ignore[reportUnusedImport]
from jax.sharding import Mesh, NamedSharding

from resumable_data.arrays import AnyArray
from resumable_data.errors import PipelineError
from resumable_data.interfaces.multihost_dataloading.global_arrays import form_global, global_layout
from resumable_data.interfaces.multihost_dataloading.lockstep import Lockstep
from resumable_data.interfaces.multihost_dataloading.padding import pad_to
from resumable_data.interfaces.multihost_dataloading.peekable import as_peekable
from resumable_data.opaque import Element, PyTree

__all__ = ["_build_global_shape_and_sharding", "_form_global_array", "_pad_array_to_shape", "get_next_batch_sharded"]


def _build_global_shape_and_sharding(
    local_shape: tuple[int, ...], global_mesh: Mesh
) -> tuple[tuple[int, ...], NamedSharding]:
    """Returns shape and sharding of a global array to which every process gives an array of ``local_shape``.

    Args:
        local_shape: Shape of the array that this process gives.
        global_mesh: All devices. Rows are divided among all its axes together. Other axes are not divided.

    Returns:
        The global shape, with the rows of all processes that own devices of the mesh, and the sharding.

    Raises:
        PipelineError: The rows cannot be divided among this process's devices.

    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> shape, sharding = _build_global_shape_and_sharding((2 * len(jax.devices()), 128), mesh)
    >>> shape == (2 * len(jax.devices()), 128), sharding.spec[0]
    (True, 'data')
    """
    return global_layout(local_shape, global_mesh)


def _form_global_array(path: Any, array: PyTree, global_mesh: Mesh) -> jax.Array:
    """Forms a global array of the rows of all processes. The rows of the first process come first, on any mesh.

    Args:
        path: The array's key path in its pytree, for errors.
        array: [rows, ...], the rows of this process.
        global_mesh: All devices.

    Raises:
        PipelineError: The array cannot be laid out on the mesh.

    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> np.asarray(_form_global_array((), np.arange(2 * len(jax.devices())), mesh))[:4].tolist()
    [0, 1, 2, 3]
    """
    try:
        return form_global(array, global_mesh)
    except PipelineError as error:
        raise PipelineError(f"{jax.tree_util.keystr(path) or 'the array'}: {error}") from error


def _pad_array_to_shape(array_and_shape: tuple[Any, Sequence[int]], pad_value: float = 0) -> AnyArray:
    """Pads the end of each axis of an array.

    Args:
        array_and_shape: The array and its new shape, in one tuple, as ``zip`` gives them.
        pad_value: The value of the new cells.

    Raises:
        PipelineError: The shape has other axes or is smaller, or the array's dtype cannot hold the value.

    >>> np.allclose(
    ...     _pad_array_to_shape((np.array([[1], [2]]), (3, 2)), pad_value=0),
    ...     np.array([[1, 0], [2, 0], [0, 0]]))
    True
    """
    array, shape = array_and_shape
    return pad_to(array, shape, pad_value)


def get_next_batch_sharded(
    local_iterator: Iterator[Element], global_mesh: Mesh, pad: bool = False, pad_value: float = 0
) -> PyTree:
    """Joins the next batches of all processes to one batch of global arrays.

    All processes that own devices of the mesh must call this function. If one of them has no further batch, the
    iteration ends for all. The batches that the others took are then lost, unless they came from a ``DataIterator``.
    ``MultiHostDataLoadIterator`` loses nothing.

    Args:
        local_iterator: The iterator over this process's batches, pytrees of arrays.
        global_mesh: Rows are divided among all its devices.
        pad: Whether to pad arrays to the largest shape of any process, and rows to a multiple of the devices.
        pad_value: The value of the padding.

    Raises:
        StopIteration: At least one process has no further batch.
        PipelineMismatchError: The processes differ.
        PeerError: Another process failed.
        PipelineError: The arrays cannot be laid out on the mesh.

    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> batches = iter([{"tokens": np.ones((len(jax.devices()), 16), np.int32)}])
    >>> get_next_batch_sharded(batches, mesh)["tokens"].sharding.spec[0]
    'data'
    """
    local = as_peekable(local_iterator)
    return Lockstep(local, global_mesh, pad_value if pad else None).take(local.step or 0, None)
