from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import resumable_data as rd
from property_tests.testing.running import through_json

SIX = {f"{side}{of}" for side in ("inputs", "targets") for of in ("", "_position", "_segmentation")}
CHATS = [
    {"tokens": list(range(n, 3 * n)), "loss_mask": [n % 2] * (2 * n), "weight": [n] * (2 * n)} for n in range(1, 9)
]


def plain() -> rd.Dataset[rd.LLMBatch]:
    records = [list(range(n, 3 * n)) for n in range(1, 9)]
    return rd.Dataset.from_source(rd.InMemorySource(records)).shuffle(1).pack(16, eod_id=0)


def chats() -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.InMemorySource(CHATS))
    return documents.pad(16, eod_id=0, fields=["loss_mask", "weight"])


def same(one: Any, other: Any) -> bool:
    return np.asarray(one).tobytes() == np.asarray(other).tobytes() and one.dtype == other.dtype


def test_all_fields_have_their_own_names() -> None:
    for batch, expected in zip(plain().batch(2, as_dict=True), plain().batch(2), strict=True):
        assert set(batch) == SIX == set(dict(expected)) == set(dict(**expected))
        assert all(same(batch[name], expected[name]) for name in SIX)


def test_fields_sources_and_numbers_are_among_them() -> None:
    settings: dict[str, Any] = {"batch_type": rd.LLMIndexedBatch, "sources": True}
    for batch, expected in zip(chats().batch(2, as_dict=True, **settings), chats().batch(2, **settings), strict=True):
        assert set(batch) == SIX | {"document_idx", "sequence_idx", "loss_mask", "weight", "source"}
        assert set(batch) == set(dict(expected))
        assert all(same(batch[name], expected[name]) for name in batch)


@pytest.mark.parametrize("preset", ["maxtext", "flax"])
def test_trainers_know_the_names(preset: str) -> None:
    (batch, *_), (expected, *_) = list(plain().batch(2, as_dict=preset)), list(plain().batch(2))
    assert set(batch) - {"weights"} == SIX
    assert ("weights" in batch) == (preset == "flax")
    assert all(same(batch[name], expected[name]) for name in SIX)
    assert same(expected.weights, batch.get("weights", expected.weights))
    assert expected.weights.dtype == np.float32
    assert np.array_equal(expected.weights, expected.targets_segmentation != 0)


def shifted_loss_terms(batch: Any) -> set[tuple[int, int]]:
    """What a model that shifts the labels itself learns: the token that it sees, and that it is to predict."""
    found: set[tuple[int, int]] = set()
    for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        found |= {(a, b) for a, b in zip(ids[:-1], labels[1:], strict=True) if b != -100}
    return found


def test_models_that_shift_labels_learn_each_document_alone() -> None:
    """Every pair of neighbours within a document, and none over a border; a row's first token is never predicted."""
    batches = list(plain().batch(2, as_dict="huggingface", drop_remainder=False))
    learnt = set.union(*map(shifted_loss_terms, batches))
    assert learnt == {(token, token + 1) for n in range(1, 9) for token in range(n, 3 * n - 1)}
    for batch in batches:
        assert set(batch) == {"input_ids", "labels", "position_ids", "attention_mask"}
        assert np.array_equal(batch["attention_mask"] == 1, batch["input_ids"] != 0)
        assert {array.dtype for array in batch.values()} == {np.dtype(np.int32)}


def test_what_a_loss_mask_takes_out_is_no_label() -> None:
    for batch in chats().batch(1, as_dict="huggingface"):
        (number,) = {int(token) for token in batch["input_ids"][:, 0]}
        assert (batch["labels"] == -100).all() == (number % 2 == 0)


def test_names_may_be_chosen() -> None:
    names = {
        "x": "inputs",
        "y": "targets",
        "w": "weights",
        "new": "document_borders",
        "q": "fields.weight",
        "v": "weight",
    }
    (batch, *_), (expected, *_) = list(chats().batch(2, as_dict=names)), list(chats().batch(2))
    assert list(batch) == list(names)
    assert same(batch["x"], expected.inputs)
    assert same(batch["w"], expected.weights)
    assert same(batch["new"], np.asarray(expected.get_document_borders()))
    assert same(batch["q"], expected.fields["weight"])
    assert same(batch["v"], expected.fields["weight"])


@pytest.mark.parametrize("as_dict", [True, "flax", "huggingface", {"x": "labels", "b": "document_borders"}])
def test_they_go_through_every_stage(as_dict: Any) -> None:
    data = plain().batch(4, as_dict=as_dict, drop_remainder=False)
    expected = list(data)
    sharding = jax.sharding.NamedSharding(Mesh(np.array(jax.devices()[:4]), "data"), PartitionSpec("data"))
    placed = data.place(sharding)
    halves = [list(data.shard(process, 2)) for process in range(2)]
    for step, (batch, on_devices) in enumerate(zip(expected, placed.prefetch(2), strict=True)):
        assert all(same(on_devices[name], batch[name]) for name in batch)
        assert all(on_devices[name].sharding.is_equivalent_to(sharding, 2) for name in batch)
        for name in batch:
            assert same(np.concatenate([half[step][name] for half in halves]), batch[name])
    for described in (data, placed, data.shard(0, 2)):
        struct, real = described.batch_struct(), next(iter(described))
        assert {name: (leaf.shape, leaf.dtype) for name, leaf in struct.items()} == {
            name: (leaf.shape, leaf.dtype) for name, leaf in real.items()
        }
    rows = list(data.unbatch())
    assert all(same(rows[5][name], expected[1][name][1]) for name in expected[1])
    grain = list(data.to_grain())
    assert all(same(grain[1][name], expected[1][name]) for name in expected[1])


def test_the_form_may_change_between_save_and_restore() -> None:
    iterator = iter(plain().batch(1))
    next(iterator)
    state = through_json(iterator.get_state())
    as_dict = iter(plain().batch(1, as_dict=True).map_batches(lambda batch: batch["targets"]))
    as_dict.set_state(state)
    assert same(next(as_dict), next(iterator).targets)


@pytest.mark.parametrize(
    ("as_dict", "message"),
    [
        ("hugging_face", "as_dict='hugging_face'; the presets are maxtext, flax, huggingface"),
        ({"x": "input"}, "the fields are inputs, "),
        ({1: "inputs"}, "the fields are inputs, "),
        (3, "as_dict=3; it is True, the name of a preset, or a mapping of names"),
        (None, "as_dict=None"),
    ],
)
def test_other_forms_are_refused(as_dict: Any, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        plain().batch(2, as_dict=as_dict)


def test_a_dict_is_not_a_batch_type() -> None:
    with pytest.raises(
        rd.PipelineError, match="batch_type=dict is not an LLMBatch; for dictionaries pass as_dict=True"
    ):
        plain().batch(2, batch_type=dict)  # type: ignore[arg-type]


def test_a_field_that_is_called_as_one_of_the_batch_is_refused() -> None:
    records = [{"tokens": [1, 2], "inputs": [3, 4]}]
    rows = rd.Dataset.from_source(rd.InMemorySource(records)).pad(4, eod_id=0, fields=["inputs"])
    with pytest.raises(rd.PipelineError, match="two fields are called 'inputs'"):
        rows.batch(1, as_dict=True)
    (batch,) = rows.batch(1, as_dict={"mine": "fields.inputs", "inputs": "inputs"})
    assert batch["mine"].tolist() == [[3, 4, 0, 0]]
    assert batch["inputs"].tolist() == [[0, 1, 0, 0]] or batch["inputs"].tolist() == [[0, 1, 2, 0]]


def test_a_batch_has_its_fields_by_name() -> None:
    batch = next(iter(chats().batch(2)))
    assert batch["weight"] is batch.fields["weight"]
    assert batch["inputs"] is batch.inputs
    with pytest.raises(KeyError, match="'labels'; the fields are inputs, "):
        batch["labels"]


def test_functions_are_applied_in_their_order_to_what_is_handed_over() -> None:
    data = plain().batch(4).map_batches(jax.jit(lambda batch: batch.targets * 2)).map_batches(np.asarray)
    expected = [2 * batch.targets for batch in plain().batch(4)]
    assert [batch.tolist() for batch in data.prefetch(2)] == [batch.tolist() for batch in expected]
    assert (data.batch_struct().shape, data.batch_struct().dtype) == ((4, 16), np.int32)
    halves = [next(iter(data.shard(process, 2))) for process in range(2)]
    assert np.array_equal(np.concatenate(halves), expected[0])
    with pytest.raises(rd.PipelineError, match="call unbatch before map_batches"):
        data.unbatch()
    with pytest.raises(rd.PipelineError, match="map_batches comes before prefetch"):
        data.prefetch(2).map_batches(list)
    with pytest.raises(rd.PipelineError, match="map_batches"):
        plain().map_batches(list)
