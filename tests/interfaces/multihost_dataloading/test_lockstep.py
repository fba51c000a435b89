"""Decisions that processes make together. Real processes: property_tests/test_multihost_processes.py."""

from __future__ import annotations

from itertools import product

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from resumable_data.interfaces.multihost_dataloading.lockstep import (
    BatchReport,
    Lockstep,
    Status,
    common_shapes,
    decide,
)
from resumable_data.interfaces.multihost_dataloading.peekable import Peekable

MESH = Mesh(np.array(jax.devices()), "data")


def test_one_failure_counts_more_than_an_end_and_that_more_than_a_batch() -> None:
    for statuses in product(Status, repeat=3):
        reports = {process: BatchReport(status, 4, 9) for process, status in enumerate(statuses)}
        assert decide(reports) == max(statuses)
    assert Status.READY < Status.ENDED < Status.FAILED


def test_processes_at_different_steps_or_with_other_epochs_are_refused() -> None:
    with pytest.raises(rd.PipelineMismatchError, match="at batch 3 on process 0, 4 on process 2"):
        decide({0: BatchReport(Status.READY, 3, 0), 2: BatchReport(Status.ENDED, 4, 0)})
    with pytest.raises(rd.PipelineMismatchError, match="iterator_length is None on process 0, 7 on process 1"):
        decide({0: BatchReport(Status.READY, 3, 0), 1: BatchReport(Status.READY, 3, 7)})


def test_common_shapes_hold_every_array() -> None:
    assert common_shapes({0: [(2, 7), ()], 3: [(5, 1), ()], 4: [(1, 1), ()]}) == [(5, 7), ()]


def test_a_process_alone_keeps_what_cannot_be_laid_out() -> None:
    local = Peekable(iter([np.zeros((3, 2)), np.ones((8, 2))]))
    lockstep = Lockstep(local, MESH, None)
    assert lockstep.is_alone
    lockstep.announce(0, None)
    with pytest.raises(rd.PipelineError, match="the array: the 3 rows"):
        lockstep.take(0, None)
    assert Lockstep(local, MESH, 5).take(0, None).shape == (8, 2)
    np.testing.assert_array_equal(np.asarray(lockstep.take(1, None)), np.ones((8, 2)))
    with pytest.raises(StopIteration):
        lockstep.take(2, None)
