"""The cost of taking a state, and of resuming from one."""

from __future__ import annotations

import json
import time
from itertools import islice
from statistics import median

from pipelines import COMPONENT, Job

import resumable_data as rd
from resumable_data.planning.groups import EpochAt
from resumable_data.planning.integers import DELIVERED, name_component
from resumable_data.state import Position, State, decode, encode

_GET_STATE_CALLS = 2_000
_RESTORES = 15


def get_state_seconds(dataset: rd.Dataset[rd.LLMBatch]) -> float:
    """Measures the median time of ``get_state`` after the first batch."""
    seconds: list[float] = []
    with iter(dataset) as iterator:
        next(iterator)
        for _ in range(_GET_STATE_CALLS):
            start = time.perf_counter()
            iterator.get_state()
            seconds.append(time.perf_counter() - start)
    return median(seconds)


def restore_seconds(dataset: rd.Dataset[rd.LLMBatch], state: State, restores: int = _RESTORES) -> float:
    """Measures the median time from ``set_state`` to the first batch, on iterators that have planned nothing yet."""
    seconds: list[float] = []
    saved = json.dumps(state)
    for _ in range(restores):
        with iter(dataset) as iterator:
            start = time.perf_counter()
            iterator.set_state(json.loads(saved))
            next(iterator)
            seconds.append(time.perf_counter() - start)
    return median(seconds)


def state_after(dataset: rd.Dataset[rd.LLMBatch], steps: int) -> State:
    """Returns the state after a number of batches."""
    with iter(dataset) as iterator:
        for _ in islice(iterator, steps):
            pass
        return iterator.get_state()


def state_moved_to(dataset: rd.Dataset[rd.LLMBatch], state: State, step: int, job: Job, records: int) -> State:
    """Moves a state by whole epochs to about step ``step``.

    A million steps for one restore would take longer than the whole benchmark. A state holds its place in an epoch,
    and only counts of everything before. Every epoch is cut into packing windows in the same way. So the moved state
    is the position of a run that has come about so far, and a restore does the same work. No public method makes such
    a state, so this uses the planner and the codec directly.

    Args:
        dataset: The pipeline.
        state: A state of it, early in a packing window, but after the first window, so that its counts give the
            documents a row.
        step: The step to move it to.
        job: The pipeline's settings.
        records: Records of its source.

    Returns:
        The state, with a checksum of its own.
    """
    with iter(dataset) as iterator:
        opened = iterator._place.opened
        description = opened.description
        saved, *_ = decode(description, state)
        named = name_component(saved.at[COMPONENT])
        documents, rows = int(named["documents"]), int(named["rows"])
        epochs = step * job.batch * documents // (rows * records)
        moved = {"epoch": int(named["epoch"]) + epochs, "rows": step * job.batch}
        group = opened.engine.rows._groups.get((EpochAt(moved["epoch"], int(named["window"])), (0, 0), ()))
        moved["lengths_digest"] = group.lengths_digest
    for name in DELIVERED:
        moved[name] = int(named[name]) * (1 + epochs * records // documents)
    at = tuple({**named, **moved}.values())
    return encode(description, Position(step, step * job.batch, {COMPONENT: at}))
