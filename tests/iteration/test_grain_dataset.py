import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from absl import flags
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.array_record_shards import write_documents
from property_tests.testing.running import through_json

SOURCE = rd.SyntheticSource(60, lengths=[3, 5, 9, 17], vocabulary=50)
SCHEDULE = rd.BatchSchedule(2, factors={3: 2})


def documents(source: Any = SOURCE) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(source, name="web").shuffle(seed=3)


def rows(source: Any = SOURCE) -> rd.Dataset[rd.LLMBatch]:
    return documents(source).append_eod(0).pack(16, eod_id=0, window=20)


def mixed() -> rd.Dataset[rd.LLMBatch]:
    return rd.mix({"a": rows(), "b": rows(rd.SyntheticSource(20, lengths=[4, 8]))}, {"a": 3, "b": 1})


PIPELINES: dict[str, rd.Dataset[Any]] = {
    "documents": documents(),
    "rows": rows(),
    "batches": rows().batch(SCHEDULE),
    "short last batch": rows().batch(16, drop_remainder=False),
    "several epochs": documents().repeat(2).pad(8, eod_id=0).batch(5),
    "mix": mixed().batch(3),
    "shard": rows().batch(4).shard(1, 2),
    "prefetch": rows().batch(SCHEDULE).prefetch(3),
    "prefetched rows": rows().prefetch(3),
    "placed": rows().batch(8).place(Mesh(np.array(jax.devices()[:2]), ("data",))),
    "Grain source": documents(rd.GrainSource(grain.MapDataset.range(7))).repeat(3),
}


def leaves(element: Any) -> list[Any]:
    """An element as lists, to be compared."""
    return [(np.asarray(leaf).dtype.str, np.asarray(leaf).tolist()) for leaf in jax.tree.leaves(element)]


def as_dictionary(batch: rd.LLMBatch) -> dict[str, np.ndarray]:
    return {f.name: value for f in fields(batch) if (value := getattr(batch, f.name)) is not None}


def saved(iterator: Any) -> dict[str, Any]:
    return through_json(iterator.get_state())


def in_threads(workers: int) -> Callable[[grain.IterDataset], grain.IterDataset]:
    return lambda dataset: grain.experimental.multithread_prefetch(dataset, num_threads=workers, buffer_size=2)


@pytest.fixture(params=PIPELINES)
def pipeline(request: pytest.FixtureRequest) -> rd.Dataset[Any]:
    return PIPELINES[request.param]


def test_grain_gets_the_same_elements_and_the_same_states(pipeline: rd.Dataset[Any]) -> None:
    own, of_grain = iter(pipeline), iter(pipeline.to_grain())
    for element in own:
        assert leaves(next(of_grain)) == leaves(element)
        assert saved(of_grain) == saved(own)
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(of_grain)
    assert own.step > 2
    assert saved(of_grain) == saved(own)


def test_states_go_from_either_to_the_other(pipeline: rd.Dataset[Any]) -> None:
    own, of_grain = iter(pipeline), iter(pipeline.to_grain())
    expected = [leaves(next(own)) for _ in range(2)]
    state = saved(own)
    expected += map(leaves, own)

    for _ in range(2):  # onto a fresh iterator, then onto the same at its end
        of_grain.set_state(state)
        assert saved(of_grain) == state
        assert [leaves(element) for element in of_grain] == expected[2:]
    used = iter(pipeline)
    next(used)
    back = iter(pipeline.to_grain())
    next(back)
    used.set_state(saved(back))
    assert leaves(next(used)) == expected[1]


def test_a_state_of_another_pipeline_is_refused_and_nothing_moves() -> None:
    state = saved(iter(rows().batch(3)))
    of_grain = iter(rows().batch(4).to_grain().map(leaves))
    next(of_grain)
    before = saved(of_grain)
    with pytest.raises(rd.PipelineMismatchError, match=r"batch.size was 3, is 4"):
        of_grain.set_state(state)
    assert saved(of_grain) == before
    assert next(of_grain) == leaves([*rows().batch(4)][1])


TRANSFORMATIONS: dict[str, Callable[[grain.IterDataset], grain.IterDataset]] = {
    "map": lambda dataset: dataset.map(lambda batch: batch["targets"] + 1),
    "filter": lambda dataset: dataset.filter(lambda batch: batch["targets"].sum() % 2 == 0),
    "batch": lambda dataset: dataset.batch(2),
    "repeat": lambda dataset: grain.experimental.RepeatIterDataset(dataset, num_epochs=2),
    "limit": lambda dataset: grain.experimental.LimitIterDataset(dataset, 4),
    "window shuffle": lambda dataset: grain.experimental.WindowShuffleIterDataset(dataset, window_size=3, seed=1),
    "thread prefetch": lambda dataset: grain.experimental.ThreadPrefetchIterDataset(dataset, prefetch_buffer_size=2),
    "mix": lambda dataset: grain.IterDataset.mix([dataset, dataset.map(dict)], [1, 2]),
    "threads": in_threads(2),
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_grains_transformations_give_what_they_give_of_the_same_elements(name: str) -> None:
    batches = rows().batch(2)
    elements = [as_dictionary(batch) for batch in batches]
    expected = TRANSFORMATIONS[name](grain.MapDataset.source(elements).to_iter_dataset())
    found = TRANSFORMATIONS[name](batches.to_grain().map(as_dictionary))

    assert [leaves(element) for element in found] == [leaves(element) for element in expected]


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_grains_own_check_of_checkpoints_holds(name: str) -> None:
    dataset = TRANSFORMATIONS[name](rows().batch(4).to_grain().map(as_dictionary))
    grain.experimental.assert_equal_output_after_checkpoint(dataset)


@pytest.mark.parametrize("name", ["batches", "mix", "several epochs", "prefetch", "short last batch"])
def test_grains_own_check_of_checkpoints_holds_for_every_pipeline(name: str) -> None:
    grain.experimental.assert_equal_output_after_checkpoint(PIPELINES[name].to_grain().map(as_dictionary))


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_the_states_of_grains_transformations_survive_json_on_used_iterators(name: str) -> None:
    dataset = TRANSFORMATIONS[name](rows().batch(2).to_grain().map(as_dictionary))
    iterator = iter(dataset)
    next(iterator)
    next(iterator)
    state = saved(iterator)
    expected = [leaves(element) for element in iterator]
    assert expected

    fresh, used = iter(dataset), iter(dataset)
    for _ in range(3):
        next(used)
    for other in (fresh, used, used):
        other.set_state(through_json(state))
        assert [leaves(element) for element in other] == expected


@pytest.mark.parametrize("name", ["map", "filter", "thread prefetch"])
def test_transformations_without_a_state_hand_out_that_of_the_pipeline(name: str) -> None:
    batches = rows().batch(2)
    iterator = iter(TRANSFORMATIONS[name](batches.to_grain().map(as_dictionary)))
    next(iterator)

    resumed = iter(batches)
    resumed.set_state(saved(iterator))

    rest = [leaves(element) for element in iterator]
    of_resumed = TRANSFORMATIONS[name](grain.MapDataset.source([*map(as_dictionary, resumed)]).to_iter_dataset())
    assert rest == [leaves(element) for element in of_resumed]


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("name", [name for name in PIPELINES if name != "placed"])
def test_workers_deliver_in_the_order_of_one(name: str, workers: int) -> None:
    expected = [leaves(element) for element in PIPELINES[name]]
    assert [leaves(element) for element in in_threads(workers)(PIPELINES[name].to_grain())] == expected


def test_the_state_of_the_worker_that_delivered_last_is_that_of_the_pipeline() -> None:
    batches = rows().batch(2)
    own, workers = iter(batches), iter(in_threads(3)(batches.to_grain()))
    for step in range(7):
        next(own)
        next(workers)
        assert saved(workers)["iterators_in_use_states"][step % 3] == saved(own)


def test_edits_hold_in_workers_too() -> None:
    batches = rows().batch(2)
    own = iter(batches)
    next(own)
    own.skip(2, at=3)
    state = saved(own)
    expected = [leaves(batch) for batch in own]
    found = []
    for worker in range(2):
        dataset = batches.to_grain()
        dataset.set_slice(slice(worker, None, 2))
        iterator = iter(dataset)
        iterator.set_state(state)
        found.append([leaves(batch) for batch in iterator])

    # Step 1, the next, is that of worker 1.
    assert found[1] == expected[::2]
    assert found[0] == expected[1::2]


def test_stretches_for_workers_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match="sequential_slice=True changes the order"):
        grain.experimental.multithread_prefetch(rows().to_grain(), 2, 1, sequential_slice=True)


def test_placed_batches_cannot_go_to_workers() -> None:
    with pytest.raises(rd.PipelineError, match="cannot go to the workers of mp_prefetch: use shard"):
        in_threads(2)(PIPELINES["placed"].to_grain())


def test_worker_processes_deliver_in_the_same_order_and_resume(tmp_path: Path) -> None:
    flags.FLAGS(["test"], known_only=True)
    path = write_documents(tmp_path / "a.arecord", [[number] * (1 + number % 9) for number in range(60)])
    source = rd.ArrayRecordSource(path, rd.parse_int32_tokens, progress=False)
    batches = rows(source).batch(2)
    expected = [leaves(batch) for batch in batches]
    dataset = batches.to_grain().mp_prefetch(grain.MultiprocessingOptions(num_workers=2))

    iterator = iter(dataset)
    found = [leaves(next(iterator)) for _ in range(3)]
    state = saved(iterator)
    found += [leaves(element) for element in iterator]
    assert found == expected
    iterator.set_state(state)
    assert [leaves(element) for element in iterator] == expected[3:]
    iterator.close()


def test_orbax_keeps_the_position_by_grains_handler(tmp_path: Path) -> None:
    dataset = rows().batch(2).to_grain().map(as_dictionary)
    iterator = iter(dataset)
    next(iterator)
    with ocp.CheckpointManager(tmp_path) as manager:
        manager.save(1, args=ocp.args.Composite(data=grain.checkpoint.CheckpointSave(iterator)))
        manager.wait_until_finished()
    expected = [leaves(element) for element in iterator]

    for resumed in (iter(dataset), iterator):
        with ocp.CheckpointManager(tmp_path) as manager:
            manager.restore(1, args=ocp.args.Composite(data=grain.checkpoint.CheckpointRestore(resumed)))
        assert [leaves(element) for element in resumed] == expected


def test_a_closed_iterator_gives_its_state_and_no_element() -> None:
    dataset = rows().batch(2).prefetch(2).to_grain()
    iterator = iter(dataset.map(as_dictionary))
    next(iterator)
    state = saved(iterator)
    iterator.close()
    iterator.close()
    assert saved(iterator) == state
    with pytest.raises(ValueError, match="closed"):
        next(iterator)


def test_an_error_leaves_the_position_where_it_was() -> None:
    broken = [True]

    def picky(record: int) -> int:
        if record == 3 and broken:
            raise KeyError(record)
        return record

    source = rd.GrainSource(grain.MapDataset.range(6).map(picky), fingerprint="range")
    iterator = iter(rd.Dataset.from_source(source).to_grain().map(lambda number: number * 10))
    assert [next(iterator) for _ in range(3)] == [0, 10, 20]
    for _ in range(2):
        with pytest.raises(rd.RecordError, match="record 3"):
            next(iterator)
    broken.clear()
    assert list(iterator) == [30, 40, 50]


def test_without_grain_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grain", None)
    monkeypatch.delitem(sys.modules, "resumable_data.iteration.grain_dataset")
    with pytest.raises(rd.PipelineError, match=r"pip install 'resumable_data\[grain\]'"):
        rows().to_grain()


@pytest.mark.parametrize("name", [name for name in PIPELINES if name not in ("documents", "Grain source")])
def test_grain_knows_the_shapes_of_elements(name: str) -> None:
    spec = grain.experimental.get_element_spec(PIPELINES[name].to_grain())
    element = next(iter(PIPELINES[name].to_grain()))
    for expected, found in zip(jax.tree.leaves(spec), jax.tree.leaves(element), strict=True):
        assert expected.dtype == found.dtype
        # Of a placed batch the spec is that of the whole batch, and of a shard that of its rows.
        assert expected.shape == found.shape


def test_documents_have_no_shape_in_common() -> None:
    with pytest.raises(rd.PipelineError, match="after pack or pad"):
        grain.experimental.get_element_spec(documents().to_grain())


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("index", [0, 1, 3])
def test_grain_goes_to_an_index_and_says_where_it_is(name: str, index: int) -> None:
    expected = [leaves(element) for element in PIPELINES[name].to_grain()][index:]
    iterator = iter(PIPELINES[name].to_grain())
    next(iterator)
    assert grain.experimental.get_next_index(iterator) == 1
    grain.experimental.set_next_index(iterator, index)
    assert grain.experimental.get_next_index(iterator) == index
    counted = iter(PIPELINES[name].to_grain())
    for _ in range(index):
        next(counted)
    assert through_json(iterator.get_state()) == through_json(counted.get_state())
    assert [leaves(element) for element in iterator] == expected


def test_a_worker_counts_its_own_elements() -> None:
    whole = [leaves(element) for element in rows().to_grain()]
    dataset = rows().to_grain()
    dataset.set_slice(slice(1, None, 3))
    iterator = iter(dataset)
    grain.experimental.set_next_index(iterator, 2)
    assert leaves(next(iterator)) == whole[7]
    assert grain.experimental.get_next_index(iterator) == 3


def test_an_index_that_can_be_found_by_reading_alone_is_refused() -> None:
    iterator = iter(documents().filter(len).pack(16, eod_id=0).batch(2).to_grain())
    with pytest.raises(ValueError, match="restore a state of that step instead"):
        grain.experimental.set_next_index(iterator, 1)
    with pytest.raises(ValueError, match="there is no step 1000: the data ends after"):
        grain.experimental.set_next_index(iter(rows().batch(2).to_grain()), 1000)


def test_grain_restores_into_changed_weights_where_that_is_said(tmp_path: Path) -> None:
    def weighted(weights: dict[str, float]) -> rd.Dataset[Any]:
        return rd.mix({"a": rows().shift(), "b": rows(rd.SyntheticSource(20, lengths=[4, 8]))}, weights).batch(2)

    iterator = iter(weighted({"a": 3, "b": 1}).to_grain())
    next(iterator)
    state = through_json(iterator.get_state())
    with pytest.raises(rd.PipelineMismatchError, match="weights"):
        iter(weighted({"a": 1, "b": 1}).to_grain()).set_state(state)
    changed = iter(weighted({"a": 1, "b": 1}).to_grain(allow="weights"))
    native = iter(weighted({"a": 1, "b": 1}))
    changed.set_state(state)
    native.set_state(state, allow={"weights"})
    assert leaves(next(changed)) == leaves(next(native))


def test_a_filter_of_grain_may_return_0_or_1() -> None:
    class Odd(grain.transforms.Filter):
        def filter(self, element: Any) -> Any:
            return len(element) % 2

    found = list(rd.Dataset.from_source(rd.InMemorySource([[1], [1, 2], [1, 2, 3]])).filter(Odd()))
    assert found == [[1], [1, 2, 3]]
