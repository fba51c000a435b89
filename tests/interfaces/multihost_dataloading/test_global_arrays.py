"""One process. Several: property_tests/test_multihost_processes.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from resumable_data.interfaces.multihost_dataloading.global_arrays import (
    canonical,
    form_global,
    global_layout,
    processes_of,
)

DEVICES = np.array(jax.devices())


def mesh_of(*processes: int) -> Any:
    """A stand-in for a mesh with one device of each of these processes."""
    devices = np.array([SimpleNamespace(process_index=process) for process in processes])
    return SimpleNamespace(devices=devices, shape={"data": len(processes)})


def test_the_processes_of_a_mesh_are_ascending_in_any_order_of_its_devices() -> None:
    assert processes_of(mesh_of(3, 0, 1, 3, 1, 0)) == (0, 1, 3)


def test_processes_with_different_numbers_of_devices_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match="process 0 2, process 1 1"):
        processes_of(mesh_of(0, 0, 1))


def test_a_process_without_a_device_is_told_who_has_some() -> None:
    with pytest.raises(rd.PipelineError, match=r"process 0 owns no device .* processes \[1, 2\]"):
        processes_of(mesh_of(1, 2))


def test_rows_that_cannot_be_divided_are_refused_not_dropped() -> None:
    mesh = Mesh(DEVICES, "data")
    assert global_layout((16, 5), mesh)[0] == (16, 5)
    with pytest.raises(rd.PipelineError, match="17 rows"):
        global_layout((17, 5), mesh)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray, np.ndarray.tolist])
def test_arrays_of_any_kind_become_global(kind: Any) -> None:
    local = np.arange(16, dtype=np.int32).reshape(8, 2)
    np.testing.assert_array_equal(np.asarray(form_global(kind(local), Mesh(DEVICES, "data"))), local)


def test_dtypes_become_those_of_jax_without_losing_an_integer() -> None:
    assert canonical(np.array([-(2**31), 2**31 - 1])).dtype == np.int32
    assert canonical(np.array([0.1])).dtype == np.float32
    for values in (np.array([2**31]), np.array([-(2**31) - 1]), np.array([2**32], np.uint64)):
        with pytest.raises(rd.PipelineError, match="cannot hold"):
            canonical(values)
