"""The part of each process in the batches: one length for all, longest first, and one position for all."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.batch import LLMIndexedBatch
from resumable_data.errors import ClosedError
from resumable_data.interfaces.lmeval_pipeline.batches import RequestBatches
from resumable_data.interfaces.lmeval_pipeline.rows import RequestRows
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens

LENGTHS = (3, 11, 1, 7, 7, 20, 2, 5, 0, 4)


def rows(lengths: Any = LENGTHS) -> RequestRows:
    texts = [np.full(length, place + 1, np.int32) for place, length in enumerate(lengths)]
    nothing = np.zeros(0, np.int32)
    return RequestRows(RequestTokens(99, [*texts, nothing], [len(texts)] * len(texts), list(range(len(texts)))), None)


def batches(host: int = 0, hosts: int = 1, **settings: Any) -> RequestBatches:
    given = {"global_batch_size": 4, "padding_multiple": 4, **settings}
    return RequestBatches(rows(), host_index=host, host_count=hosts, **given)


def raw(batch: LLMIndexedBatch) -> list[Any]:
    return [(name, batch[name].dtype.str, batch[name].tolist()) for name in batch.keys()]  # noqa: SIM118


def test_the_longest_come_first_and_padding_comes_last() -> None:
    found = list(batches())

    assert [batch.inputs.shape for batch in found] == [(4, 20), (4, 8), (4, 4)]
    assert [batch.document_idx.tolist() for batch in found] == [[6, 2, 4, 5], [8, 10, 1, 7], [3, 9, 0, 0]]
    assert [batch.targets_segmentation.sum(1).tolist() for batch in found] == [
        [20, 11, 7, 7],
        [5, 4, 3, 2],
        [1, 0, 0, 0],
    ]
    for batch in found:
        assert all(batch[name].dtype == np.int32 for name in batch.keys())  # noqa: SIM118


def test_a_batch_has_the_structure_of_its_struct() -> None:
    import jax

    batch = next(iter(batches()))
    struct = LLMIndexedBatch.get_dtype_struct(4, 20)

    assert jax.tree.structure(batch) == jax.tree.structure(struct)
    assert [leaf.shape for leaf in jax.tree.leaves(batch)] == [leaf.shape for leaf in jax.tree.leaves(struct)]
    assert np.asarray(batch.get_document_borders())[0].tolist() == [True] + [False] * 19


def test_processes_have_parts_of_the_same_batches() -> None:
    alone = list(batches())
    parts = [list(batches(host, 2)) for host in range(2)]
    for step, batch in enumerate(alone):
        joined = {name: np.concatenate([part[step][name] for part in parts]) for name in batch.keys()}  # noqa: SIM118
        assert {name: values.tolist() for name, values in joined.items()} == {
            name: batch[name].tolist()
            for name in batch.keys()  # noqa: SIM118
        }


def test_rows_are_added_for_devices() -> None:
    first = next(iter(batches(rows_multiple=8)))

    assert first.inputs.shape == (8, 20)
    assert first.document_idx.tolist() == [6, 2, 4, 5, 0, 0, 0, 0]
    assert not first.targets_segmentation[4:].any()


@pytest.mark.parametrize("settings", [{}, {"ahead": 1}, {"ahead": 6}])
def test_a_thread_changes_nothing(settings: dict[str, int]) -> None:
    before = set(threading.enumerate())
    iterator = iter(batches(**settings))
    found = [raw(batch) for batch in iterator]
    iterator.close()

    assert found == [raw(batch) for batch in batches()]
    with pytest.raises(ClosedError):
        next(iterator)
    assert not {thread for thread in threading.enumerate() if thread not in before and thread.is_alive()}


def test_the_thread_of_an_iterator_that_is_left_ends() -> None:
    before = set(threading.enumerate())
    iterator = iter(batches(ahead=1))
    next(iterator)
    (thread,) = set(threading.enumerate()) - before
    del iterator
    gc.collect()

    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_changes_no_position(ahead: int) -> None:
    class Failing(RequestRows):
        failures = 1

        def __getitem__(self, index: int) -> dict[str, Any]:
            if index == 8 and self.armed and self.failures:  # In the last batch.
                self.failures -= 1
                raise KeyboardInterrupt
            return super().__getitem__(index)

    sound = rows()
    failing = Failing.__new__(Failing)
    failing.__dict__.update(sound.__dict__, armed=False)
    data = RequestBatches(failing, global_batch_size=4, host_index=0, host_count=1, padding_multiple=4, ahead=ahead)
    failing.__dict__["armed"] = True
    iterator = iter(data)
    found = [raw(next(iterator)) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        next(iterator)
    assert iterator.step == 2
    assert [*found, *(raw(batch) for batch in iterator)] == [raw(batch) for batch in batches()]
    iterator.close()


@pytest.mark.parametrize("stop", range(4))
def test_a_position_is_that_of_every_process(stop: int) -> None:
    expected = [raw(batch) for batch in batches(1, 2)][stop:]
    iterator = iter(batches(0, 1, ahead=2))
    for _ in range(stop):
        next(iterator)
    state = through_json(iterator.get_state())
    fresh, used = iter(batches(1, 2)), iter(batches(1, 2, ahead=4))
    next(used)
    for other in (fresh, used, used):
        other.set_state(state)
        assert other.step == stop
        assert other.get_state() == state
        assert [raw(batch) for batch in other] == expected
        assert other.step == 3
    iterator.close()
    used.close()


def test_a_position_of_other_batches_is_refused() -> None:
    iterator = iter(batches())
    state = iterator.get_state()
    next(iterator)
    for settings, line in (
        ({"global_batch_size": 2}, "global_batch_size was 4, is 2"),
        ({"padding_multiple": 8}, "padding_multiple was 4, is 8"),
    ):
        with pytest.raises(rd.PipelineMismatchError, match=line):
            iter(batches(**settings)).set_state(state)
    other = RequestBatches(
        rows([*LENGTHS[:-1], 5]), global_batch_size=4, host_index=0, host_count=1, padding_multiple=4
    )
    with pytest.raises(rd.PipelineMismatchError, match=r"requests was '[0-9a-f]{16}', is"):
        iter(other).set_state(state)
    for change in ({"step": 4}, {"step": -1}, {"step": True}, {"step": None}, {"more": 1}):
        with pytest.raises(rd.StateError, match="damaged"):
            iterator.set_state({**state, **change})
    with pytest.raises(rd.StateError, match="damaged"):
        iterator.set_state({"step": 0})
    with pytest.raises(rd.StateError, match="an evaluation must not differ"):
        iterator.set_state(state, allow=["batch"])
    assert iterator.step == 1
    assert raw(next(iterator)) == raw(list(batches())[1])


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match="no requests"):
        RequestBatches(rows([]), global_batch_size=4, host_index=0, host_count=1, padding_multiple=4)
    with pytest.raises(rd.PipelineError, match="cannot be divided among 3"):
        batches(0, 3)
    with pytest.raises(rd.PipelineError, match="no process 2: 2 processes"):
        batches(2, 2)
    with pytest.raises(rd.PipelineError, match="multiple_of=0"):
        batches(padding_multiple=0)
