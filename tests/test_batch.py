import pickle
from dataclasses import FrozenInstanceError, fields

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from resumable_data.batch import dataclass_kwonly

KINDS = [np.asarray, jnp.asarray]
SEGMENTATION = [[1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0], [1, 2, 3, 0, 0, 0]]
BORDERS = [[1, 0, 1, 0, 0, 1], [1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]]


def batch(kind=np.asarray, batch_type: type[rd.LLMBatch] = rd.LLMBatch) -> rd.LLMBatch:
    cells = np.arange(24, dtype=np.int32).reshape(4, 6)
    indices = {}
    if batch_type is rd.LLMIndexedBatch:
        indices = {name: kind(np.arange(4, dtype=np.int32)) for name in ("document_idx", "sequence_idx")}
    return batch_type(
        inputs=kind(cells),
        targets=kind(cells + 100),
        inputs_position=kind(cells + 200),
        inputs_segmentation=kind(np.array(SEGMENTATION, np.int32)),
        targets_position=kind(cells + 300),
        targets_segmentation=kind(np.array(SEGMENTATION, np.int32)),
        **indices,
    )


def test_a_batch_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        batch().inputs = np.zeros(3)  # type: ignore[misc]


def test_a_field_is_replaced_in_a_copy() -> None:
    original = batch()
    replaced = original.replace(inputs=np.zeros((4, 6)))

    assert replaced.inputs.sum() == 0
    assert original.inputs.sum() > 0
    assert replaced.targets is original.targets


def test_inputs_and_targets_may_be_given_by_place() -> None:
    pair = rd.Batch(np.array([1]), np.array([2]))

    assert (pair.inputs.tolist(), pair.targets.tolist()) == ([1], [2])
    with pytest.raises(TypeError):
        rd.LLMBatch(*[np.zeros((1, 1))] * 6)


@pytest.mark.parametrize("kind", KINDS)
def test_borders_are_where_the_input_segmentation_changes(kind) -> None:
    borders = batch(kind).get_document_borders()

    assert isinstance(borders, jax.Array)
    assert borders.dtype == jnp.bool_
    assert borders.astype(int).tolist() == BORDERS


def test_borders_look_at_inputs_and_not_at_targets() -> None:
    shifted = batch().replace(targets_segmentation=np.zeros((4, 6), np.int32))

    assert shifted.get_document_borders().astype(int).tolist() == BORDERS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "key", [slice(1, 3), (slice(None), slice(1, 4)), (2, slice(2, 5)), [0, 3], np.array([3, 0]), 1]
)
def test_borders_of_a_part_are_the_part_of_the_borders(kind, key) -> None:
    key_of_array = np.array(key) if isinstance(key, list) else key
    expected = np.array(BORDERS)[key_of_array]

    assert batch(kind)[key].get_document_borders().astype(int).tolist() == expected.tolist()


def test_a_part_of_a_part_has_the_same_borders_again() -> None:
    part = batch()[:, 1:5][1:][:, 1:3]

    assert part.get_document_borders().astype(int).tolist() == np.array(BORDERS)[1:, 2:4].tolist()
    assert part.inputs.tolist() == batch().inputs[1:, 2:4].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_type", [rd.LLMBatch, rd.LLMIndexedBatch])
@pytest.mark.parametrize(
    "key", [2, -1, slice(0, 3), [0, 1, 3], np.array([2, 2]), np.array([True, False, True, False])]
)
def test_a_key_applies_to_every_field(kind, batch_type: type[rd.LLMBatch], key) -> None:
    whole = batch(kind, batch_type)
    part = whole[key]

    assert type(part) is batch_type
    for field in fields(batch_type):
        if field.name != "_document_borders":
            expected = np.asarray(getattr(whole, field.name))[key]
            np.testing.assert_array_equal(getattr(part, field.name), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_fewer_axes_take_as_much_of_a_key_as_they_have(kind) -> None:
    part = batch(kind, rd.LLMIndexedBatch)[1:3, 2:4]

    assert part.inputs.shape == (2, 2)
    assert part.document_idx.tolist() == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_iteration_gives_the_rows_and_ends(kind) -> None:
    rows = list(batch(kind))

    assert [row.inputs.tolist() for row in rows] == batch().inputs.tolist()
    assert jax.tree.structure(rows[0]) == jax.tree.structure(batch(kind)[0])
    assert len(batch(kind)) == 4


def test_iteration_over_many_devices_needs_no_program_for_them() -> None:
    mesh = Mesh(np.array(jax.devices()[:4]), "data")
    whole = batch(lambda cells: jax.device_put(cells, NamedSharding(mesh, PartitionSpec("data"))), rd.LLMIndexedBatch)

    rows = list(whole)

    assert all(leaf.sharding.num_devices == 1 for leaf in jax.tree.leaves(rows))
    assert [row.targets.tolist() for row in rows] == batch().targets.tolist()
    assert [int(row.document_idx) for row in rows] == [0, 1, 2, 3]
    assert [row.get_document_borders().astype(int).tolist() for row in rows] == BORDERS


def test_iteration_over_a_batch_of_a_users_own_type_gives_its_rows() -> None:
    @dataclass_kwonly
    class Own(rd.LLMBatch):
        document: np.ndarray
        names: dict

    names = {"a": np.arange(4), "b": {"c": np.arange(4) + 1}}
    own = Own(**dict(batch()), document=np.arange(4), names=names)

    rows = list(own)

    assert [type(row) for row in rows] == [Own] * 4
    assert [(row.document.tolist(), row.targets.tolist()) for row in rows] == [
        (number, batch().targets[number].tolist()) for number in range(4)
    ]
    assert [(row.names["a"].tolist(), row.names["b"]["c"].tolist()) for row in rows] == [
        (number, number + 1) for number in range(4)
    ]


def test_iteration_repeats_what_has_no_rows() -> None:
    rows = rd.Batch(np.array([[1, 2], [3, 4]]), np.float32(0.5))

    assert [(row.inputs.tolist(), float(row.targets)) for row in rows] == [([1, 2], 0.5), ([3, 4], 0.5)]


def test_iteration_within_a_compiled_function_gives_the_rows() -> None:
    inputs = jax.jit(lambda given: [row.inputs for row in given])(batch(jnp.asarray))

    assert [row.tolist() for row in inputs] == batch().inputs.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", [4, -5, np.int64(4)])
def test_a_row_outside_is_an_error(kind, row: int) -> None:
    with pytest.raises(IndexError, match=f"row {row} of a batch of 4"):
        batch(kind)[row]


def test_from_inputs_makes_targets_of_the_inputs() -> None:
    made = rd.LLMBatch.from_inputs(np.array([[5, 6, 7], [8, 9, 0]], np.int32))

    assert made.inputs.tolist() == [[0, 5, 6], [0, 8, 9]]
    assert made.targets.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert made.inputs_position.tolist() == made.targets_position.tolist() == [[0, 1, 2]] * 2
    assert made.inputs_segmentation.tolist() == made.targets_segmentation.tolist() == [[1, 1, 1]] * 2


def test_from_inputs_takes_both_as_they_are() -> None:
    made = rd.LLMBatch.from_inputs(np.array([[5, 6]]), np.array([[7, 8]]))

    assert (made.inputs.tolist(), made.targets.tolist()) == ([[5, 6]], [[7, 8]])


def test_from_inputs_of_an_indexed_batch_takes_the_indices() -> None:
    made = rd.LLMIndexedBatch.from_inputs(np.array([[5, 6]], np.int32), np.array([3]), np.array([1]))

    assert made.targets.tolist() == [[5, 6]]
    assert (made.document_idx.tolist(), made.sequence_idx.tolist()) == ([3], [1])


def test_from_inputs_needs_two_axes() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\); expected \(batch, length\)"):
        rd.LLMBatch.from_inputs(np.arange(3))


@pytest.mark.parametrize("batch_type", [rd.LLMBatch, rd.LLMIndexedBatch])
def test_struct_and_sample_agree(batch_type: type[rd.LLMBatch]) -> None:
    struct, sample = batch_type.get_dtype_struct(3, 5), batch_type.get_sample(3, 5)
    real = batch(batch_type=batch_type)

    assert type(struct) is type(sample) is batch_type
    assert jax.tree.structure(struct) == jax.tree.structure(sample) == jax.tree.structure(real)
    for shape, leaf in zip(jax.tree.leaves(struct), jax.tree.leaves(sample), strict=True):
        assert isinstance(leaf, jax.Array)
        assert (leaf.shape, leaf.dtype) == (shape.shape, shape.dtype)
        assert not leaf.any()
    assert struct.inputs.shape == (3, 5)
    assert {leaf.dtype for leaf in jax.tree.leaves(struct)} == {np.dtype(np.int32)}


def test_indices_have_one_axis() -> None:
    struct = rd.LLMIndexedBatch.get_dtype_struct(3, 5)

    assert struct.document_idx.shape == struct.sequence_idx.shape == (3,)


@pytest.mark.parametrize("batch_type", [rd.LLMBatch, rd.LLMIndexedBatch])
def test_a_batch_is_a_pytree(batch_type: type[rd.LLMBatch]) -> None:
    original = batch(batch_type=batch_type)
    leaves, structure = jax.tree.flatten(original)

    assert len(leaves) == {rd.LLMBatch: 6, rd.LLMIndexedBatch: 8}[batch_type]
    jax.tree.map(np.testing.assert_array_equal, jax.tree.unflatten(structure, leaves), original)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(lambda given: given)(original), original)


def test_leaves_have_names() -> None:
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(batch())]

    assert ".targets_segmentation" in paths


def test_borders_can_be_asked_for_under_jit() -> None:
    borders = jax.jit(lambda given: given[:, 1:].get_document_borders())(batch(jnp.asarray))

    assert borders.astype(int).tolist() == np.array(BORDERS)[:, 1:].tolist()


def test_a_struct_can_be_compiled_for() -> None:
    compiled = jax.jit(lambda given: given.inputs.sum()).lower(rd.LLMBatch.get_dtype_struct(4, 6)).compile()

    assert compiled(batch(jnp.asarray)) == batch().inputs.sum()


def test_a_batch_can_be_pickled() -> None:
    copy = pickle.loads(pickle.dumps(batch()))

    jax.tree.map(np.testing.assert_array_equal, copy, batch())
