"""Run by test_multihost_processes.py: each process reports its view of the batches that all form together."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from property_tests.testing.processes import join_run, report
from property_tests.testing.running import raw, through_json
from resumable_data.digest import digest
from resumable_data.multihost_dataloading import MultiHostDataLoadIterator, get_next_batch_sharded


class Counted:
    """An iterator of another library over batches, with a state. It fails once before some of them.

    Attributes:
        next_index: Index of the next batch.
        failures: Indices of batches that still have to fail.
    """

    def __init__(self, batches: list[Any], failures: set[int] | None = None) -> None:
        self.batches = batches
        self.next_index = 0
        self.failures = failures or set()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.next_index in self.failures:
            self.failures.remove(self.next_index)
            raise OSError(f"batch {self.next_index} cannot be read")
        if self.next_index == len(self.batches):
            raise StopIteration
        self.next_index += 1
        return self.batches[self.next_index - 1]

    def get_state(self) -> dict[str, int]:
        return {"next": self.next_index}

    def set_state(self, state: dict[str, int]) -> None:
        self.next_index = state["next"]


def pipeline() -> rd.Dataset[rd.LLMBatch]:
    """Makes tokens whose lengths are known, and text, of which each process measures a share."""
    source = rd.SyntheticSource(300, lengths=[3, 9, 20, 41], vocabulary=50)
    tokens = rd.Dataset.from_source(source).shuffle(3).repeat().append_eod(0).pack(16, window=64, eod_id=0)
    texts = rd.InMemorySource(["letter " * (place * 7 % 11) for place in range(200)])
    read = rd.Dataset.from_source(texts).shuffle(3).repeat().map(letters, name="letters").append_eod(0)
    return rd.mix({"tokens": tokens, "text": read.pack(16, window=4, eod_id=0)}, {"tokens": 1, "text": 1}).batch(16)


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def local_pipeline() -> rd.Dataset[rd.LLMBatch]:
    return pipeline().shard_by_jax_process()


def everywhere(batch: Any) -> Any:
    """Returns a whole global batch on every process, in NumPy."""

    def whole(array: jax.Array) -> np.ndarray[Any, Any]:
        replicated = NamedSharding(array.sharding.mesh, PartitionSpec())
        return np.asarray(jax.jit(lambda same: same, out_shardings=replicated)(array).addressable_data(0))

    return jax.tree.map(whole, batch)


def digest_of(batch: Any) -> str:
    return digest(repr(raw(everywhere(batch))))


def meshes() -> dict[str, Mesh]:
    devices = np.array(jax.devices())
    by_process = devices.reshape(jax.process_count(), -1)
    return {
        "as they are": Mesh(devices, "data"),
        "two axes": Mesh(by_process, ("data", "tensor")),
        "interleaved": Mesh(by_process.T.reshape(-1), "data"),
        "interleaved, two axes": Mesh(by_process.T, ("tensor", "data")),
        "reversed": Mesh(devices[::-1], "data"),
    }


def failing(action: Callable[[], Any]) -> str:
    """Returns the error of an action that must fail."""
    try:
        result = action()
    except (rd.ResumableDataError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return f"nothing: {result}"


def orders(mesh: Mesh) -> None:
    for name, other in meshes().items():
        with MultiHostDataLoadIterator(local_pipeline(), other, iterator_length=3) as batches:
            found = []
            for batch in batches:
                expected = NamedSharding(other, PartitionSpec(other.axis_names))
                assert all(leaf.sharding == expected for leaf in jax.tree.leaves(batch))
                found.append(digest_of(batch))
        report(what="order", mesh=name, batches=found)


def rows(mesh: Mesh) -> None:
    """Iterates over the rows of a batch that lies on several processes."""
    with MultiHostDataLoadIterator(local_pipeline(), mesh, iterator_length=1) as batches:
        batch = next(batches)
        found = [np.asarray(row.targets.addressable_data(0)).tolist() for row in batch]
        report(what="rows", rows=found, batch=everywhere(batch).targets.tolist())


def ends(mesh: Mesh) -> None:
    index = jax.process_index()
    local = [np.full((2, 3), 10 * k + index, np.int32) for k in range(5 - index)]
    shortest = 5 - jax.process_count() + 1

    once = MultiHostDataLoadIterator(iter(local), mesh)
    report(what="end", batches=[everywhere(batch)[:, 0].tolist() for batch in once], shortest=shortest)
    report(what="after the end", error=failing(lambda: list(once)))

    again = MultiHostDataLoadIterator(local, mesh, reset_after_epoch=True)
    next(again)
    report(what="epochs", batches=[[everywhere(batch)[:, 0].tolist() for batch in again] for _ in range(2)])

    counted = MultiHostDataLoadIterator(Counted(local), mesh, iterator_length=9)
    taken = len(list(counted))
    report(what="end of a foreign iterator", taken=taken, state=counted.get_state())

    source = rd.InMemorySource([[1, 2]] * (4 + 2 * index))
    own = MultiHostDataLoadIterator(rd.Dataset.from_source(source).pad(4, eod_id=0).batch(2), mesh)
    taken = len(list(own))
    report(what="end of an own iterator", taken=taken, step=own.step, state_step=own.get_state()["iterator"]["step"])

    function = iter(local)
    taken = 0
    while True:
        try:
            get_next_batch_sharded(function, mesh)
        except StopIteration:
            break
        taken += 1
    report(what="end by the function", taken=taken)


def shapes(mesh: Mesh) -> None:
    index = jax.process_index()
    local = [{"a": np.full((3 + k % 2, 2 + index), index + 1, np.int32), "b": np.ones(4, np.int8)} for k in range(3)]
    padded = MultiHostDataLoadIterator(local, mesh, pad_shapes=True, pad_value=-1)
    report(what="padded", batches=[{key: everywhere(batch)[key].tolist() for key in batch} for batch in padded])
    refused = MultiHostDataLoadIterator(local[1:], mesh)
    report(what="refused shapes", error=failing(lambda: next(refused)), step=refused.step_counter)
    wide = MultiHostDataLoadIterator([np.full(2, 2**40 if index else 1)], mesh)
    report(what="refused values", error=failing(lambda: next(wide)))


def differences(mesh: Mesh) -> None:
    index = jax.process_index()
    local = [np.full(2, 10 * k + index, np.int32) for k in range(6)]

    flaky = MultiHostDataLoadIterator(Counted(local, {2} if index == 1 else set()), mesh, iterator_length=4)
    first, second = next(flaky), next(flaky)
    error, step = failing(lambda: next(flaky)), flaky.step_counter
    seen = [everywhere(batch).tolist() for batch in (first, second, *flaky)]
    report(what="failure", error=error, step=step, batches=seen)

    other_length = MultiHostDataLoadIterator(local, mesh, iterator_length=4 + index)
    report(what="length", error=failing(lambda: next(other_length)))
    other_kind = MultiHostDataLoadIterator([local[0].astype(np.int8 if index else np.int32)], mesh)
    report(what="structure", error=failing(lambda: next(other_kind)))
    other_step = MultiHostDataLoadIterator(Counted(local), mesh)
    other_step.set_state({**other_step.get_state(), "step": 2 + index})
    report(what="step", error=failing(lambda: next(other_step)))


def states(mesh: Mesh) -> None:
    index = jax.process_index()
    local = [np.full(2, 10 * k + index, np.int32) for k in range(6)]
    original = MultiHostDataLoadIterator(Counted(local), mesh, iterator_length=5)
    next(original), next(original)
    state = through_json(original.get_state())
    restored = MultiHostDataLoadIterator(Counted(local), mesh, iterator_length=5)
    next(restored)
    restored.set_state(state)
    following = [[everywhere(batch).tolist() for batch in batches] for batches in (original, restored)]
    report(what="state", state=state, following=following)
    foreign = {**state, "process": [(index + 1) % jax.process_count(), jax.process_count()]}
    report(what="state of another process", error=failing(lambda: restored.set_state(foreign)))


def some_processes(mesh: Mesh) -> None:
    devices = [device for device in jax.devices() if device.process_index in (1, 3)]
    some = Mesh(np.array(devices[::-1]), "data")
    local = [np.full(2, 10 * k + jax.process_index(), np.int32) for k in range(3 + jax.process_index())]
    if jax.process_index() in (1, 3):
        report(what="some", batches=[everywhere(b).tolist() for b in MultiHostDataLoadIterator(local, some)])
    else:
        report(what="some", error=failing(lambda: MultiHostDataLoadIterator(local, some)))


def save(mesh: Mesh, directory: str) -> None:
    with ocp.CheckpointManager(directory) as manager:
        batches = MultiHostDataLoadIterator(local_pipeline().prefetch(2), mesh, iterator_length=5)
        before = [digest_of(next(batches)) for _ in range(3)]
        data = rd.checkpoint.DataSave(batches, expect_step=3)
        manager.save(3, args=ocp.args.Composite(data=data))
        after = [digest_of(next(batches)) for _ in range(2)]
        batches.close()
    report(what="saved", batches=before + after)


def restore(mesh: Mesh, directory: str) -> None:
    with ocp.CheckpointManager(directory) as manager:
        batches = MultiHostDataLoadIterator(local_pipeline(), mesh, iterator_length=5)
        manager.restore(3, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(batches)))
        continues(batches)


def resume(mesh: Mesh, state_file: str) -> None:
    batches = MultiHostDataLoadIterator(local_pipeline(), mesh, iterator_length=5)
    batches.set_state(json.loads(Path(state_file).read_text()))
    continues(batches)


def continues(batches: MultiHostDataLoadIterator) -> None:
    rest = [digest_of(batch) for batch in batches]
    following = digest_of(next(iter(batches)))
    report(what="restored", batches=rest, following=following, step=batches.step, counter=batches.step_counter)


def main(arguments: list[str]) -> None:
    join_run()
    mesh = Mesh(np.array(jax.devices()), "data")
    for argument in arguments:
        name, _, directory = argument.partition("=")
        action: Any = globals()[name]
        action(mesh, directory) if directory else action(mesh)


if __name__ == "__main__":
    main(sys.argv[1:])
