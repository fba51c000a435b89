import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from resumable_data.placement.sharding import as_sharding, check_shape, for_rank, rows_needed, to_global

MESH = Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ("data", "model"))


def test_a_mesh_stands_for_the_rows_over_all_its_axes() -> None:
    assert as_sharding(MESH) == NamedSharding(MESH, PartitionSpec(("data", "model")))


def test_a_sharding_stands_for_itself() -> None:
    sharding = NamedSharding(MESH, PartitionSpec("data", "model"))

    assert as_sharding(sharding) is sharding


@pytest.mark.parametrize(
    ("spec", "rank", "expected"),
    [
        (PartitionSpec("data", "model"), 1, PartitionSpec("data")),
        (PartitionSpec("data", "model"), 2, PartitionSpec("data", "model")),
        (PartitionSpec(), 1, PartitionSpec()),
    ],
)
def test_a_field_with_fewer_axes_is_sharded_along_those_it_has(
    spec: PartitionSpec, rank: int, expected: PartitionSpec
) -> None:
    assert for_rank(NamedSharding(MESH, spec), rank) == NamedSharding(MESH, expected)


def test_one_process_needs_every_row() -> None:
    assert rows_needed(as_sharding(MESH), (5, 3)).tolist() == [0, 1, 2, 3, 4]


def test_local_rows_become_a_global_array() -> None:
    rows = np.arange(12, dtype=np.int32).reshape(4, 3)
    placed = to_global(np.arange(4), rows, as_sharding(MESH), 4)

    assert placed.tolist() == rows.tolist()
    assert placed.dtype == np.int32


class TwoDevices:
    """A sharding of a mesh with two devices, as far as the check of a shape asks for it."""

    mesh = MESH
    spec = PartitionSpec("data")

    def shard_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if shape[0] % 2:
            raise ValueError("not divisible by 2")
        return (shape[0] // 2, *shape[1:])


def test_a_batch_that_cannot_be_laid_out_is_refused() -> None:
    check_shape(TwoDevices(), (4, 8))  # type: ignore[arg-type]

    with pytest.raises(rd.PipelineError, match=r"place: a batch of shape \(3, 8\) cannot be laid out.*by 2"):
        check_shape(TwoDevices(), (3, 8))  # type: ignore[arg-type]


def test_row_r_is_row_r_on_any_mesh() -> None:
    script = Path(__file__).with_name("eight_devices.py")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
    }
    done = subprocess.run([sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True)

    assert done.returncode == 0, done.stderr
