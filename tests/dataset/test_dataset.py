import copy
import pickle
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd

DOCUMENTS = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5], [6]], name="toy"))
ROWS = DOCUMENTS.pack(4, eod_id=0)
BATCHES = ROWS.batch(2, drop_remainder=False)
MESH = Mesh(np.array(jax.devices()[:1]), ("data",))

ON_DOCUMENTS = {
    "shuffle": lambda data: data.shuffle(1),
    "repeat": lambda data: data.repeat(),
    "map": lambda data: data.map(list),
    "append_eod": lambda data: data.append_eod(0),
    "pack": lambda data: data.pack(4, eod_id=0),
    "pad": lambda data: data.pad(4, eod_id=0),
}
ON_ROWS = {"shift": lambda data: data.shift("targets"), "batch": lambda data: data.batch(2)}
ON_BATCHES = {
    "shard": lambda data: data.shard(0, 2),
    "place": lambda data: data.place(MESH),
    "batch_struct": lambda data: data.batch_struct(),
}


@pytest.mark.parametrize("method", ON_DOCUMENTS)
@pytest.mark.parametrize("data", [ROWS, BATCHES], ids=["rows", "batches"])
def test_stages_on_documents_come_before_rows(method: str, data: rd.Dataset[object]) -> None:
    with pytest.raises(rd.PipelineError, match=f"{method} works on documents"):
        ON_DOCUMENTS[method](data)


@pytest.mark.parametrize("method", ON_ROWS)
@pytest.mark.parametrize("data", [DOCUMENTS, BATCHES], ids=["documents", "batches"])
def test_stages_on_rows_come_between(method: str, data: rd.Dataset[object]) -> None:
    with pytest.raises(rd.PipelineError, match=f"{method} works on rows and comes after pack or pad, not after"):
        ON_ROWS[method](data)


@pytest.mark.parametrize("method", ON_BATCHES)
@pytest.mark.parametrize("data", [DOCUMENTS, ROWS], ids=["documents", "rows"])
def test_stages_on_batches_come_last(method: str, data: rd.Dataset[object]) -> None:
    with pytest.raises(rd.PipelineError, match=f"{method} works on batches and comes after batch, not after"):
        ON_BATCHES[method](data)


@pytest.mark.parametrize("method", [*ON_DOCUMENTS, *ON_ROWS, "shard", "place"])
def test_prefetch_comes_last(method: str) -> None:
    data: Any = DOCUMENTS if method in ON_DOCUMENTS else ROWS if method in ON_ROWS else BATCHES
    with pytest.raises(rd.PipelineError, match=f"{method} comes before prefetch"):
        {**ON_DOCUMENTS, **ON_ROWS, **ON_BATCHES}[method](data.prefetch(2))


PHASES = {"documents": DOCUMENTS, "rows": ROWS, "batches": BATCHES}
OFFERED = {
    "documents": {"shuffle", "map", "tokenize", "pack", "prefetch"},
    "rows": {"shift", "batch", "packing", "prefetch"},
    "batches": {"shard", "place", "measure", "explain", "simulate", "prefetch"},
}


@pytest.mark.parametrize("phase", PHASES)
def test_completion_offers_what_may_follow_alone(phase: str) -> None:
    offered = set(dir(PHASES[phase]))

    assert OFFERED[phase] <= offered
    for other in OFFERED.keys() - {phase}:
        assert not (OFFERED[other] - {"prefetch"}) & offered
        assert not any(hasattr(PHASES[phase], name) for name in OFFERED[other] - {"prefetch"})


def test_a_misspelt_method_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'DocumentDataset' object has no attribute 'shufle'") as raised:
        _ = DOCUMENTS.shufle
    assert raised.value.name == "shufle"  # so that Python suggests another
    assert not isinstance(raised.value, rd.PipelineError)


@pytest.mark.parametrize("data", [*PHASES.values(), BATCHES.unbatch()], ids=[*PHASES, "unbatched"])
def test_a_pipeline_can_be_pickled_and_copied(data: rd.Dataset[Any]) -> None:
    for copied in (copy.copy(data), copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        assert type(copied) is type(data)
        assert repr(copied) == repr(data)


@pytest.mark.parametrize("stage", [*ON_DOCUMENTS, *ON_ROWS])
def test_a_stage_leaves_the_pipeline_below_as_it_was(stage: str) -> None:
    data = {**dict.fromkeys(ON_DOCUMENTS, DOCUMENTS), **dict.fromkeys(ON_ROWS, ROWS)}[stage]
    before = data.node
    after = {**ON_DOCUMENTS, **ON_ROWS}[stage](data)

    assert data.node is before
    assert after is not data
    with pytest.raises(AttributeError):
        data.node = after.node  # type: ignore[misc]


def test_iterators_of_one_pipeline_are_independent() -> None:
    first, second = iter(BATCHES), iter(BATCHES)
    next(first)

    assert (first.step, second.step) == (1, 0)
    assert next(second).inputs.tolist() == next(iter(BATCHES)).inputs.tolist()


VIEWS = {
    "plain": lambda data: data,
    "shard": lambda data: data.shard(1, 3),
    "place": lambda data: data.place(MESH),
    "prefetch": lambda data: data.prefetch(2),
    "place, prefetch": lambda data: data.place(MESH).prefetch(2),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("batch_type", [rd.LLMBatch, rd.LLMIndexedBatch])
def test_batch_struct_is_what_batches_are(view: str, batch_type: type[rd.LLMBatch]) -> None:
    data = VIEWS[view](DOCUMENTS.repeat().pad(4, eod_id=0).batch(6, batch_type=batch_type))
    struct, batch = data.batch_struct(3), next(iter(data))

    assert jax.tree.structure(struct) == jax.tree.structure(batch)
    for expected, leaf in zip(jax.tree.leaves(struct), jax.tree.leaves(batch), strict=True):
        assert (leaf.shape, leaf.dtype) == (expected.shape, expected.dtype)
        if isinstance(leaf, jax.Array):
            assert leaf.sharding == expected.sharding
    assert {leaf.dtype for leaf in jax.tree.leaves(batch)} == {np.dtype(np.int32)}


def test_there_is_no_batch_before_the_first() -> None:
    with pytest.raises(ValueError, match="-1"):
        BATCHES.batch_struct(-1)


NUMBERS = {
    "shuffle seed": lambda number: DOCUMENTS.shuffle(number(7)).pack(8, eod_id=0).batch(2),
    "shuffle block": lambda number: DOCUMENTS.shuffle(7, block=number(2)).pack(8, eod_id=0).batch(2),
    "repeat": lambda number: DOCUMENTS.repeat(number(3)).pack(8, eod_id=0).batch(2),
    "append_eod": lambda number: DOCUMENTS.append_eod(number(3)).pack(8, eod_id=0).batch(2),
    "pack length": lambda number: DOCUMENTS.pack(number(8), eod_id=0).batch(2),
    "pack window": lambda number: DOCUMENTS.pack(8, eod_id=0, window=number(3)).batch(2),
    "pack eod_id": lambda number: DOCUMENTS.pack(8, eod_id=number(3)).batch(2),
    "pad length": lambda number: DOCUMENTS.pad(number(8), eod_id=0).batch(2),
    "batch": lambda number: DOCUMENTS.pack(8, eod_id=0).batch(number(2)),
}


@pytest.mark.parametrize("setting", NUMBERS)
def test_settings_may_be_numpy_integers(setting: str) -> None:
    state = iter(NUMBERS[setting](np.int64)).get_state()

    assert state == iter(NUMBERS[setting](int)).get_state()


@pytest.mark.parametrize("setting", NUMBERS)
def test_settings_are_integers(setting: str) -> None:
    with pytest.raises((rd.PipelineError, TypeError)):
        NUMBERS[setting](lambda number: number + 0.5)


def test_a_toy_is_packed_from_end_to_end() -> None:
    (batch,) = BATCHES

    assert batch.targets.tolist() == [[1, 2, 3, 6], [4, 5, 0, 0]]
    assert batch.inputs.tolist() == [[0, 1, 2, 0], [0, 4, 5, 0]]
