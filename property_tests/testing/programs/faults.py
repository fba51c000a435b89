"""Saves and restores a data iterator while a fault occurs, which ``main`` names. Started by ``test_faults``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import v1

import resumable_data as rd
from property_tests.testing.processes import join_run, report

PATIENCE = 60
"""Seconds that a process waits for another."""
IMPATIENCE = 4
"""Seconds that a process waits for another that does not come."""


def pipeline() -> rd.Dataset[rd.LLMBatch]:
    """Makes a mix of so many components that its state does not fit into a pipe."""
    source = rd.SyntheticSource(300, lengths=[3, 9, 20, 41], vocabulary=50)
    names = [f"component_{number}" for number in range(40)]
    mixed = rd.mix({name: rd.Dataset.from_source(source).shuffle(7).repeat().append_eod(0) for name in names})
    return mixed.pack(64, window=64, eod_id=0).batch(4)


class Stopping(rd.checkpoint.DataCheckpointHandler):
    """Stops at a point of a save: before the write, in it, or after it and before the commit."""

    point = ""

    async def async_save(self, directory: epath.Path, args: rd.checkpoint.DataSave) -> Any:
        if self.point == "before the write":
            stand_still(self.point)
        if self.point == "in the write":
            # A write into a full pipe does not end while nobody reads it.
            os.mkfifo(directory / "state.json")
            self.pipe = os.open(directory / "state.json", os.O_RDWR)
            fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, 4096)
        return await super().async_save(directory, args)

    def finalize(self, directory: epath.Path) -> None:
        if self.point == "after the write":
            stand_still(self.point)
        super().finalize(directory)

    def wait_for_the_write(self) -> None:
        os.read(self.pipe, 1)
        stand_still(self.point)


def stand_still(point: str) -> None:
    report(at=point)
    signal.pause()


@contextmanager
def checkpoints(
    directory: Path,
    kind: type[rd.checkpoint.DataCheckpointHandler] = rd.checkpoint.DataCheckpointHandler,
    *,
    own_disks: bool = False,
    patience: int = PATIENCE,
) -> Iterator[tuple[ocp.CheckpointManager, Any]]:
    """Makes a manager, and the handler of its data item."""
    processes = ocp.options.MultiprocessingOptions(primary_host=None if own_disks else 0)
    handler = kind(processes, patience)
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    registry.add("data", rd.checkpoint.DataSave, handler)
    registry.add("data", rd.checkpoint.DataRestore, handler)
    options = ocp.CheckpointManagerOptions(
        async_options=ocp.options.AsyncOptions(timeout_secs=patience + 5, create_directories_asynchronously=False),
        multiprocessing_options=processes,
    )
    manager = ocp.CheckpointManager(directory, options=options, handler_registry=registry)
    yield manager, handler
    manager.close()


def save(manager: ocp.CheckpointManager, iterator: rd.DataIterator[Any], **options: Any) -> None:
    """Saves under the iterator's step, or under ``step=``; without the data item if ``data=False``."""
    step, with_data = options.pop("step", iterator.step), options.pop("data", True)
    items: dict[str, Any] = {"model": ocp.args.JsonSave({"step": step})}
    if with_data:
        items["data"] = rd.checkpoint.DataSave(iterator, **options)
    manager.save(step, args=ocp.args.Composite(**items))
    manager.wait_until_finished()


def restore(manager: ocp.CheckpointManager, iterator: rd.DataIterator[Any], step: int | None = None) -> None:
    """Restores a step, by default the latest."""
    manager.restore(
        manager.latest_step() if step is None else step,
        args=ocp.args.Composite(data=rd.checkpoint.DataRestore(iterator)),
    )


def take(iterator: rd.DataIterator[Any], count: int) -> list[str]:
    """Returns digests of the next batches."""
    return [digest_of(next(iterator)) for _ in range(count)]


def digest_of(batch: rd.LLMBatch) -> str:
    leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(batch)]
    return hashlib.blake2b(b"".join(leaves)).hexdigest()


def attempt(what: Callable[[], object]) -> None:
    """Reports how an action ended."""
    try:
        what()
    except Exception as error:
        report(error=f"{type(error).__name__}: {error}")
    else:
        report(error=None)


def report_restored(manager: ocp.CheckpointManager) -> None:
    """Returns the next batches of a used iterator."""
    iterator = iter(pipeline())
    take(iterator, 9)
    attempt(lambda: restore(manager, iterator))
    report(step=iterator.step, batches=take(iterator, 3))


def first_save(directory: Path, **options: Any) -> rd.DataIterator[Any]:
    """Makes an iterator, and saves its step 3."""
    iterator = iter(pipeline())
    take(iterator, 3)
    with checkpoints(directory, **options) as (manager, _):
        save(manager, iterator)
    return iterator


def killed(directory: Path, point: str, victim: str = "0", count: str = "1") -> None:
    """Is killed at a point of the second save."""
    if int(count) > 1:
        join_run(heartbeat_timeout=10)
    iterator = first_save(directory)
    take(iterator, 2)
    with checkpoints(directory, Stopping, patience=IMPATIENCE) as (manager, handler):
        if jax.process_index() == int(victim):
            handler.point = point
            manager.save(5, args=ocp.args.Composite(data=rd.checkpoint.DataSave(iterator)))
            if point == "in the write":
                handler.wait_for_the_write()
            manager.wait_until_finished()
            stand_still("after the commit")
        else:
            attempt(lambda: save(manager, iterator))


def left_out(directory: Path, by: str) -> None:
    """Leaves out the data item on one of two processes."""
    join_run(heartbeat_timeout=20)
    iterator = first_save(directory)
    take(iterator, 2)
    with checkpoints(directory, patience=IMPATIENCE) as (manager, _):
        attempt(lambda: save(manager, iterator, data=jax.process_index() != int(by)))


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def failing_saves(directory: Path) -> None:
    """Runs two processes. One is at another step, expects another, or cannot write. Then no fault is left."""
    join_run(heartbeat_timeout=20)
    first = jax.process_index() == 0
    iterator = first_save(directory)
    with checkpoints(directory) as (manager, _):
        take(iterator, 1 if first else 2)
        attempt(lambda: save(manager, iterator, step=5))
        take(iterator, 1 if first else 0)
        attempt(lambda: save(manager, iterator, expect_step=5 if first else 4))
        limit_files(4096 if first else resource.RLIM_INFINITY)
        attempt(lambda: save(manager, iterator))
        limit_files(resource.RLIM_INFINITY)
        take(iterator, 1)
        report(latest=manager.latest_step())
        attempt(lambda: save(manager, iterator))
        report_restored(manager)


def own_disks(directory: Path) -> None:
    """Runs two processes with a disk each. One cannot write; then it can; then its state is damaged."""
    join_run(heartbeat_timeout=20)
    first = jax.process_index() == 0
    own = directory / str(jax.process_index())
    iterator = first_save(own, own_disks=True)
    with checkpoints(own, own_disks=True) as (manager, _):
        take(iterator, 2)
        limit_files(resource.RLIM_INFINITY if first else 4096)
        attempt(lambda: save(manager, iterator))
        limit_files(resource.RLIM_INFINITY)
        report(latest=manager.latest_step())
        take(iterator, 1)
        attempt(lambda: save(manager, iterator))
        report_restored(manager)
        if not first:
            state = own / "6" / "data" / "state.json"
            state.write_bytes(state.read_bytes()[:-40])
        report_restored(manager)


def newer_api(directory: Path) -> None:
    """Uses the free functions of Orbax's newer API on two processes, once at different steps."""
    join_run(heartbeat_timeout=20)
    first = jax.process_index() == 0
    iterator = iter(pipeline())
    take(iterator, 2 if first else 3)
    attempt(lambda: v1.save_checkpointables(directory / "2", {"data": iterator}))
    take(iterator, 1 if first else 0)
    v1.save_checkpointables(directory / "3", {"data": iterator})
    response = v1.save_checkpointables_async(directory / "again", {"data": iterator})
    take(iterator, 1)
    response.result()
    for name in ("3", "again"):
        v1.load_checkpointables(directory / name, {"data": iterator})
        report(step=iterator.step, batches=take(iterator, 3))
    # The newer API needs one path on all processes. As a relative path it leads each to its own disk.
    own = directory / str(jax.process_index())
    own.mkdir()
    os.chdir(own)
    context = v1.Context()
    context.multiprocessing.primary_host = None
    with context:
        v1.save_checkpointables("6", {"data": iterator})
        v1.load_checkpointables("6", {"data": iterator})
    report(step=iterator.step, batches=take(iterator, 3))


BAD_RECORD = np.array([404], "<i4").tobytes()
"""A record that one process cannot parse."""
BREAKS = "RESUMABLE_DATA_TEST_BREAKS"


def parse(record: bytes) -> np.ndarray[Any, Any]:
    """Reads tokens. Fails on the bad record while the environment says so."""
    if record == BAD_RECORD and BREAKS in os.environ:
        raise ValueError("not UTF-8")
    return np.frombuffer(record, "<i4")


def corpus(directory: Path) -> rd.Dataset[rd.LLMBatch]:
    """Makes batches of the records in a directory, in their order, over all devices."""
    source = rd.ArrayRecordSource(str(directory / "corpus.arecord"), parse, progress=False)
    batches = rd.Dataset.from_source(source).pad(8, eod_id=0).batch(8)
    return batches.place(jax.make_mesh((jax.device_count(),), ("data",)))


def bad_record(directory: Path) -> None:
    """Lets one of two processes fail to parse a record, in the middle of training."""
    join_run(heartbeat_timeout=10, shutdown_timeout=4)
    if jax.process_index() == 1:
        os.environ[BREAKS] = "1"
    iterator = iter(corpus(directory))
    with checkpoints(directory / "run") as (manager, _):
        for _ in range(3):
            next(iterator)
        save(manager, iterator)
        trained = 0
        for batch in iterator:
            trained += int(batch.targets.sum())


if __name__ == "__main__":
    # The fingerprint has the parser's module name, which must be the one that the test uses.
    from property_tests.testing.programs import faults

    what, directory, *more = sys.argv[1:]
    getattr(faults, what)(Path(directory), *more)
