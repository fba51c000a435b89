"""Several real processes form batches together: in order, to one end, with one shape, and from one checkpoint."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from property_tests.testing.processes import ROOT, completed
from property_tests.testing.programs.multihost import pipeline
from property_tests.testing.running import raw
from resumable_data.digest import digest
from resumable_data.multihost_dataloading import MultiHostDataLoadIterator

PROGRAM = ROOT / "property_tests" / "testing" / "programs" / "multihost.py"

# By the subject of a report: the reports of each process.
Reports = dict[str, list[list[dict[str, Any]]]]


def run(count: int, *actions: str) -> Reports:
    reports: Reports = defaultdict(lambda: [[] for _ in range(count)])
    for process, ended in enumerate(completed(PROGRAM, actions, count=count)):
        for report in ended.reports:
            reports[report["what"]][process].append(report)
    return reports


def uninterrupted(count: int) -> list[str]:
    """Returns the same batches, from one process without devices."""
    return [digest(repr(raw(batch))) for batch in islice(pipeline(), count)]


def test_two_processes(tmp_path: Path) -> None:
    reports = run(2, "orders", "rows", "ends", "shapes", "differences", "states", f"save={tmp_path / 'run'}")
    rows_are_in_the_order_of_the_processes_on_every_mesh(reports)
    a_batch_of_several_processes_gives_its_rows(reports)
    processes_end_together_and_lose_nothing(reports, 2)
    padding_is_to_a_shape_that_all_agree_on(reports)
    without_padding_different_shapes_are_refused_by_all(reports)
    an_error_of_one_is_an_error_of_all_and_nobody_has_moved(reports)
    what_differs_is_named_on_all(reports)
    each_process_continues_from_its_own_state_of_a_foreign_iterator(reports)
    for (saved,) in reports["saved"]:
        assert saved["batches"] == uninterrupted(5)
    the_run_continues_after_batch_3(run(2, f"restore={tmp_path / 'run'}"))


def test_four_processes(tmp_path: Path) -> None:
    mesh = Mesh(np.array(jax.devices()), "data")
    alone = MultiHostDataLoadIterator(pipeline(), mesh, iterator_length=5)
    assert [digest(repr(raw(jax.tree.map(np.asarray, next(alone))))) for _ in range(3)] == uninterrupted(3)
    state_file = tmp_path / "state.json"
    state_file.write_text(json.dumps(alone.get_state()))

    reports = run(4, "orders", "ends", "some_processes", f"resume={state_file}")
    rows_are_in_the_order_of_the_processes_on_every_mesh(reports)
    processes_end_together_and_lose_nothing(reports, 4)
    a_mesh_of_some_processes_concerns_these_alone(reports)
    the_run_continues_after_batch_3(reports)


def rows_are_in_the_order_of_the_processes_on_every_mesh(reports: Reports) -> None:
    of_processes = reports["order"]
    assert len(of_processes[0]) == 5
    for of_process in of_processes:
        for found in of_process:
            assert found["batches"] == uninterrupted(3), found["mesh"]


def a_batch_of_several_processes_gives_its_rows(reports: Reports) -> None:
    for (found,) in reports["rows"]:
        assert found["rows"] == found["batch"]
        assert len(found["rows"]) == 16


def processes_end_together_and_lose_nothing(reports: Reports, n_processes: int) -> None:
    shortest = 6 - n_processes
    rows = [[10 * k + process for process in range(n_processes) for _ in range(2)] for k in range(shortest)]
    for process in range(n_processes):
        (end,), (after,) = reports["end"][process], reports["after the end"][process]
        assert end["batches"] == rows
        assert after["error"].startswith("PipelineError: the data has ended")
        assert reports["epochs"][process][0]["batches"] == [rows, rows]

        (foreign,) = reports["end of a foreign iterator"][process]
        assert foreign["taken"] == shortest
        assert foreign["state"]["step"] == foreign["state"]["iterator"]["next"] == shortest

        (own,) = reports["end of an own iterator"][process]
        assert (own["taken"], own["step"], own["state_step"]) == (2, 2, 2)
        assert reports["end by the function"][process][0]["taken"] == shortest


def padding_is_to_a_shape_that_all_agree_on(reports: Reports) -> None:
    short = [[1, 1, -1]] * 3 + [[-1] * 3] + [[2] * 3] * 3 + [[-1] * 3]
    full = [[1, 1, -1]] * 4 + [[2] * 3] * 4
    for (padded,) in reports["padded"]:
        assert [batch["a"] for batch in padded["batches"]] == [short, full, short]
        assert [batch["b"] for batch in padded["batches"]] == [[1] * 8] * 3


def without_padding_different_shapes_are_refused_by_all(reports: Reports) -> None:
    for (refused,) in reports["refused shapes"]:
        assert "['a']: (4, 2) on process 0, (4, 3) on process 1" in refused["error"]
        assert refused["step"] == 0


def an_error_of_one_is_an_error_of_all_and_nobody_has_moved(reports: Reports) -> None:
    (other,), (own,) = reports["failure"]
    assert own["error"] == "OSError: batch 2 cannot be read"
    assert "process 1: OSError: batch 2 cannot be read" in other["error"]
    for failure in (other, own):
        assert failure["step"] == 2
        assert failure["batches"] == [[10 * k, 10 * k, 10 * k + 1, 10 * k + 1] for k in range(4)]
    (other,), (own,) = reports["refused values"]
    assert "values that int32 cannot hold" in own["error"]
    assert "process 1" in other["error"]


def what_differs_is_named_on_all(reports: Reports) -> None:
    for process in range(2):
        assert "iterator_length is 4 on process 0, 5 on process 1" in reports["length"][process][0]["error"]
        assert "at batch 2 on process 0, 3 on process 1" in reports["step"][process][0]["error"]
        dtype = ("int32", "int8")[process]
        assert f"which has the array {dtype} of 1 axes" in reports["structure"][process][0]["error"]


def each_process_continues_from_its_own_state_of_a_foreign_iterator(reports: Reports) -> None:
    for process in range(2):
        (found,) = reports["state"][process]
        assert found["state"]["process"] == [process, 2]
        rows = [[10 * k, 10 * k, 10 * k + 1, 10 * k + 1] for k in range(2, 5)]
        assert found["following"] == [rows, rows]
        error = reports["state of another process"][process][0]["error"]
        assert f"process was {1 - process} of 2, is {process} of 2" in error


def a_mesh_of_some_processes_concerns_these_alone(reports: Reports) -> None:
    rows = [[10 * k + 1, 10 * k + 1, 10 * k + 3, 10 * k + 3] for k in range(4)]
    for process in range(4):
        (found,) = reports["some"][process]
        if process in (1, 3):
            assert found["batches"] == rows
        else:
            assert f"process {process} owns no device of the mesh" in found["error"]


def the_run_continues_after_batch_3(reports: Reports) -> None:
    expected = uninterrupted(6)
    for (restored,) in reports["restored"]:
        assert restored["batches"] == expected[3:5]
        assert restored["following"] == expected[5]
        assert (restored["step"], restored["counter"]) == (6, 1)
