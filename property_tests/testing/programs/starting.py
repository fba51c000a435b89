"""Run by test_start_processes.py: loading begins at different times, before the processes compare positions."""

from __future__ import annotations

import sys
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

import resumable_data as rd
from property_tests.testing.processes import join_run, report
from property_tests.testing.running import through_json

BATCHES = 6


def pipeline(*, is_measured: bool) -> rd.Dataset[rd.LLMBatch]:
    """Makes batches whose documents are measured by shares, or whose lengths are known."""
    documents = rd.Dataset.from_source(rd.SyntheticSource(600, [3, 5, 9]), name="web").shuffle(1).repeat()
    documents = documents.map(np.abs) if is_measured else documents
    return documents.pack(16, eod_id=0, window=8).batch(8)


def meet(name: str) -> None:
    """Waits for the other processes."""
    multihost_utils.sync_global_devices(name)


def tokens(iterator: rd.DataIterator[rd.LLMBatch], count: int) -> list[Any]:
    """Returns this process's rows of the next batches."""
    return [next(iterator).targets.tolist() for _ in range(count)]


def late(*, is_measured: bool) -> None:
    """Starts one process long after the other. Then both go back, one of them twice, and skip."""
    process = jax.process_index()
    with iter(pipeline(is_measured=is_measured).shard_by_jax_process().prefetch(2)) as iterator:
        state = through_json(iterator.get_state())
        if process == 0:
            iterator.start()
        meet("one has started")
        first = tokens(iterator, 3)
        later = through_json(iterator.get_state())
        for _ in range(2 - process):
            iterator.set_state(later)
        iterator.set_state(state)
        iterator.skip(1)
        report(first=first, skipped=tokens(iterator, BATCHES - 1))


def apart() -> None:
    """Restores another position on one process than on the other. Both begin to load."""
    with iter(pipeline(is_measured=True).shard_by_jax_process().prefetch(2)) as iterator:
        state = through_json(iterator.get_state())
        tokens(iterator, 2)
        if jax.process_index() == 0:
            iterator.set_state(state)
        else:
            iterator.set_state(through_json(iterator.get_state()))
        try:
            next(iterator)
        except rd.PipelineMismatchError as error:
            report(error=str(error))
        iterator.set_state(state)
        report(after=tokens(iterator, 2))


if __name__ == "__main__":
    join_run()
    if sys.argv[1] == "apart":
        apart()
    else:
        late(is_measured=sys.argv[1] == "measured")
