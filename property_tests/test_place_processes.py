"""On four real processes, row r is row r on any mesh, and no process reads a record that it does not need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from property_tests.testing.processes import completed
from property_tests.testing.programs.placing import MEASURED

PROGRAM = Path(__file__).with_name("testing") / "programs" / "placing.py"
PROCESSES = range(4)
IDLE = {"processes 3 and 1 alone": {0, 2}}


def test_every_process_holds_its_cells_of_the_plain_batches_and_reads_nothing_else() -> None:
    ended = completed(PROGRAM, count=len(PROCESSES), devices=2)
    assert not any("did not come in time" in process.errors for process in ended)
    cases = [tuple(found["case"]) for found in ended[0].reports]
    assert len(set(cases)) == len(cases) == 4 * 10 * 2
    for of_processes in zip(*(process.reports for process in ended), strict=True):
        batches_are_equal(of_processes)
        if of_processes[0]["case"][0] == MEASURED:
            the_measured_are_read_by_those_who_deliver(of_processes)
        else:
            reads_are_those_needed(of_processes)


def batches_are_equal(of_processes: tuple[dict[str, Any], ...]) -> None:
    for process, found in enumerate(of_processes):
        assert found["batches"] == found["expected_batches"] >= 6
        assert found["unlike"] == [], (process, found["case"])
        idle = process in IDLE.get(found["case"][1], ())
        assert found["shards"] == (0 if idle else 2), (process, found["case"])


def reads_are_those_needed(of_processes: tuple[dict[str, Any], ...]) -> None:
    mesh = of_processes[0]["case"][1]
    reads = [set(found["read"]) for found in of_processes]
    for process, found in enumerate(of_processes):
        assert found["read"] == found["needed"], (process, found["case"])
    everything = set.union(*reads)
    for process in PROCESSES:
        assert (reads[process] == set()) == (process in IDLE.get(mesh, ()))
    if mesh == "tensor over processes":
        assert reads[0] == reads[1] != reads[2] == reads[3]
    elif mesh == "replicated everywhere":
        assert all(read == everything for read in reads)
    else:
        # Only the columns in which every document begins need all records.
        assert reads.count(everything) == (of_processes[0]["case"][:2] == ["indexed", "sequence alone"])


def the_measured_are_read_by_those_who_deliver(of_processes: tuple[dict[str, Any], ...]) -> None:
    """Checks that a process reads each document, and that a process that delivers nothing reads nothing."""
    reads = [set(found["read"]) for found in of_processes]
    assert set.union(*reads) == set(range(90))
    for process, found in enumerate(of_processes):
        assert reads[process] >= set(found["needed"])
        assert (reads[process] == set()) == (process in IDLE.get(found["case"][1], ()))
