"""One process with eight devices: row order and padding. Several processes: property_tests."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from resumable_data.multihost_dataloading import (
    _build_global_shape_and_sharding,
    _form_global_array,
    _pad_array_to_shape,
    get_next_batch_sharded,
)

DEVICES = np.array(jax.devices())
MESH = Mesh(DEVICES, "data")


@pytest.mark.parametrize(
    "mesh",
    [
        MESH,
        Mesh(DEVICES[::-1], "data"),
        Mesh(DEVICES.reshape(2, 4).T, ("data", "tensor")),
        Mesh(DEVICES[[5, 2, 7, 0]], "data"),
    ],
)
def test_row_r_is_row_r_on_any_mesh_and_lies_over_all_its_axes(mesh: Mesh) -> None:
    local = np.arange(48).reshape(16, 3)
    array = _form_global_array((), local, mesh)

    np.testing.assert_array_equal(np.asarray(array), local)
    assert array.sharding == NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    assert {shard.data.shape for shard in array.addressable_shards} == {(16 // mesh.size, 3)}
    assert _build_global_shape_and_sharding((16, 3), mesh) == ((16, 3), array.sharding)


def test_what_cannot_be_laid_out_is_refused_with_its_name() -> None:
    batches = iter([{"tokens": np.zeros((10, 4), np.int32)}])
    with pytest.raises(rd.PipelineError, match=r"\['tokens'\]: the 10 rows of shape \(10, 4\) .* 8 devices"):
        get_next_batch_sharded(batches, MESH)
    with pytest.raises(rd.PipelineError, match=r"\['a'\]: an array without axes"):
        _form_global_array((jax.tree_util.DictKey("a"),), np.int32(3), MESH)
    with pytest.raises(rd.PipelineError, match="int64 has values that int32 cannot hold"):
        _form_global_array((), np.full(8, 2**40), MESH)
    with pytest.raises(rd.PipelineError, match=r"dtype .* cannot be put on a device"):
        _form_global_array((), np.array(["text"] * 8), MESH)


def test_padding_is_at_the_end_of_every_axis() -> None:
    padded = _pad_array_to_shape((np.array([[1, 2], [3, 4]], np.int8), (3, 4)), pad_value=-1)
    assert padded.tolist() == [[1, 2, -1, -1], [3, 4, -1, -1], [-1, -1, -1, -1]]
    assert padded.dtype == np.int8


@pytest.mark.parametrize("shape", [(1, 2), (2, 2, 1), (2,)])
def test_padding_to_a_shape_that_does_not_hold_the_array_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(rd.PipelineError, match=r"shape \(2, 2\) cannot be padded"):
        _pad_array_to_shape((np.ones((2, 2)), shape))


def test_padded_rows_fill_the_devices() -> None:
    local = rd.LLMBatch.from_inputs(np.ones((10, 4), np.int32))
    batch = get_next_batch_sharded(iter([local]), MESH, pad=True, pad_value=7)
    assert batch.inputs.shape == (16, 4)
    assert np.asarray(batch.targets_segmentation)[10:].tolist() == [[7] * 4] * 6
    np.testing.assert_array_equal(np.asarray(batch.targets)[:10], local.targets)
