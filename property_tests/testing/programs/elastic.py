"""Run by test_elastic_processes.py: saves or resumes pipelines, and reports the parts that it holds of each batch."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from orbax.checkpoint import v1

import resumable_data as rd
from property_tests.testing.elastic_pipelines import (
    OTHER_BATCH,
    OTHER_STEPS,
    STEP,
    STEPS,
    pipelines,
    shardings,
    shards_of,
)
from property_tests.testing.processes import join_run, report

Iterators = dict[str, rd.DataIterator[rd.LLMBatch]]


@contextmanager
def opened(corpus: Path, times: int = 1) -> Iterator[Iterators]:
    """Makes the pipelines on all devices of this run, at their start. ``times`` makes batches larger."""
    where = shardings()
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(iter(data.place(where[name]).prefetch(2)))
            for name, data in pipelines(corpus, times).items()
        }


def save(corpus: Path, checkpoints: Path, processes: str) -> None:
    """Saves with both of Orbax's APIs, and reports the batches before."""
    with opened(corpus) as iterators, ocp.CheckpointManager(checkpoints / processes) as manager:
        for step in range(STEP):
            report(step=step, shards={name: shards_of(next(iterator)) for name, iterator in iterators.items()})
        items = {name: rd.checkpoint.DataSave(iterator, expect_step=STEP) for name, iterator in iterators.items()}
        manager.save(STEP, args=ocp.args.Composite(**items))
        for iterator in iterators.values():
            next(iterator)
    with opened(corpus) as iterators:
        for iterator in iterators.values():
            for _ in range(STEP):
                next(iterator)
        v1.save_checkpointables(checkpoints / f"{processes} v1", iterators)


def restore(corpus: Path, checkpoints: Path, *saved_by: str) -> None:
    """Resumes from what other numbers of processes saved, and reports the next batches."""
    for processes in saved_by:
        start = time.perf_counter()
        with opened(corpus) as iterators, ocp.CheckpointManager(checkpoints / processes) as manager:
            open_at = time.perf_counter()
            restore_all(manager, iterators)
            restored_at = time.perf_counter()
            first = {name: shards_of(next(iterator)) for name, iterator in iterators.items()}
            seconds = [open_at - start, restored_at - open_at, time.perf_counter() - restored_at]
            report(saved_by=processes, api="v0", step=STEP, shards=first, seconds=seconds)
            report_following(iterators, saved_by=processes, api="v0")
        with opened(corpus) as iterators:
            v1.load_checkpointables(checkpoints / processes / str(STEP), iterators)
            report_following(iterators, saved_by=processes, api="v0 to v1")
        with opened(corpus) as iterators:
            for name, iterator in iterators.items():
                checkpointer = ocp.Checkpointer(rd.checkpoint.DataCheckpointHandler())
                directory = checkpoints / f"{processes} v1" / name
                checkpointer.restore(directory, args=rd.checkpoint.DataRestore(iterator))
            report_following(iterators, saved_by=processes, api="v1 to v0")
        with opened(corpus, OTHER_BATCH) as iterators, ocp.CheckpointManager(checkpoints / processes) as manager:
            restore_all(manager, iterators, allow={"batch"})
            report_following(iterators, STEP + OTHER_STEPS, saved_by=processes, api="other batch")


def restore_all(manager: ocp.CheckpointManager, iterators: Iterators, allow: Collection[str] = ()) -> None:
    items = {name: rd.checkpoint.DataRestore(iterator, allow) for name, iterator in iterators.items()}
    manager.restore(STEP, args=ocp.args.Composite(**items))


def report_following(iterators: Iterators, until: int = STEPS, **values: Any) -> None:
    first = next(iter(iterators.values())).step
    for step in range(first, until):
        report(**values, step=step, shards={name: shards_of(next(iterator)) for name, iterator in iterators.items()})


def main(action: str, corpus: str, checkpoints: str, *arguments: str) -> None:
    join_run()
    {"save": save, "restore": restore}[action](Path(corpus), Path(checkpoints), *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
