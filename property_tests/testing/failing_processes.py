"""Faults of processes: killed, failing, or doing something else than the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import resumable_data as rd
from property_tests.testing.damaged_files import PROGRAM, continued, in_step, reference, write_corpus
from property_tests.testing.fault_table import Fault, Scenario
from property_tests.testing.processes import Ended, completed, start
from property_tests.testing.programs import faults
from property_tests.testing.programs.faults import checkpoints, restore

ENDS_WITHIN = 90
"""Every process ends within so many seconds, whatever happens to another. Time-outs in programs are shorter."""


def killed(point: str, step: int, victim: int = 0, count: int = 1) -> Callable[[Path], list[str]]:
    """Kills one process at a point of a save. A new run goes on from ``step``."""

    def run(directory: Path) -> list[str]:
        with start(PROGRAM, ["killed", str(directory), point, str(victim), str(count)], count=count) as processes:
            report = processes.line(victim)
            processes.kill(victim)
            ended = processes.wait(ENDS_WITHIN)
        assert report == {"at": point}, ended[victim].errors
        for index, process in enumerate(ended):
            # JAX ends the other process, or it ends with an error.
            assert process.code == -9 if index == victim else process.code != 0 or errors_of(process) != [None]
        others = "" if count == 1 else "the other process ends too; "
        return [others + continued(directory, step)]

    return run


def left_out(by: int) -> Callable[[Path], list[str]]:
    """Leaves the item out on one process: the step is not committed."""

    def run(directory: Path) -> list[str]:
        ended = completed(PROGRAM, ["left_out", str(directory), str(by)], count=2)
        continued(directory, 3)
        return [attempted(ended, 0)]

    return run


def failing_saves(directory: Path) -> list[str]:
    """Fails three saves on one of two processes, and then saves without a fault."""
    ended = completed(PROGRAM, ["failing_saves", str(directory)], count=2)
    assert all(process.reports[3] == {"latest": 3} for process in ended)
    assert_went_on(ended, 6, -1)
    continued(directory, 6)
    return [attempted(ended, number) for number in range(3)]


def own_disks(directory: Path) -> list[str]:
    """Fails a save on one of two disks, saves without a fault, and restores with one disk damaged."""
    ended = completed(PROGRAM, ["own_disks", str(directory)], count=2)
    assert all(process.reports[1] == {"latest": 3} for process in ended)
    assert_went_on(ended, 6, -3)
    # The iterators that refused to restore have not moved.
    assert all(process.reports[-1] == {"step": 9, "batches": reference()[9:12]} for process in ended)
    with pytest.raises(rd.StateError):
        continued(directory / "1", 6)
    return [attempted(ended, 0), attempted(ended, 3)]


def newer_api(directory: Path) -> list[str]:
    """Fails a save on both processes, and saves several times without a fault, through free functions."""
    ended = completed(PROGRAM, ["newer_api", str(directory)], count=2)
    assert not (directory / "2").exists()
    for process in ended:
        again = {"step": 3, "batches": reference()[3:6]}
        assert process.reports[1:] == [again, again, {"step": 6, "batches": reference()[6:9]}]
    return [attempted(ended, 0)]


def bad_record(directory: Path) -> list[str]:
    """Ends a run with a record that one process cannot parse. With a correct parser it goes on from the save."""
    write_corpus(directory)
    expected = [faults.digest_of(batch) for batch in faults.corpus(directory)]
    with start(PROGRAM, ["bad_record", str(directory)], count=2) as processes:
        ended = processes.wait(ENDS_WITHIN)
    assert all(process.code != 0 for process in ended)
    (cause,) = re.findall(r"RecordError: (.*)", ended[1].errors)
    with checkpoints(directory / "run") as (manager, _):
        iterator = iter(faults.corpus(directory))
        restore(manager, iterator, 3)
        assert [faults.digest_of(batch) for batch in iterator] == expected[3:]
    return [f"process 1: `RecordError`: {cause}; process 0 ends too; step 3 is restored once the record parses"]


def errors_of(process: Ended) -> list[str | None]:
    """Returns the error of each attempt, in order; None for one that succeeded."""
    return [report["error"] for report in process.reports if "error" in report]


def attempted(processes: list[Ended], number: int) -> str:
    """Describes how an attempt failed, on each process."""
    errors = [str(errors_of(process)[number]) for process in processes]
    kinds, texts = zip(*(error.split(": ", 1) for error in errors), strict=True)
    if len(set(errors)) == 1:
        return f"both processes: `{kinds[0]}`: {texts[0]}"
    found: list[str] = []
    for index, (kind, text) in enumerate(zip(kinds, texts, strict=True)):
        # The table shows the text that an error quotes from the other process only once.
        found.append(f"process {index}: `{kind}`: {text.replace(errors[1 - index], 'the same')}")
    return "; ".join(found)


def assert_went_on(processes: list[Ended], step: int, last: int) -> None:
    """Checks that a save and a restore succeeded and the right batches followed, as the report ``last`` says."""
    for process in processes:
        assert [report.get("error") for report in process.reports[last - 2 : last]] == [None, None]
        assert process.reports[last] == {"step": step, "batches": reference()[step : step + 3]}


_KILL = "`kill -9`, then a new run"
_HELD_UP = f"{_KILL}; the write is held up by a full pipe"
_LEFT_OUT = "`DataSave` on the other of two processes only"

SCENARIOS = (
    in_step("killed before the write", _KILL, killed("before the write", 3)),
    in_step("killed in the write", _HELD_UP, killed("in the write", 3)),
    in_step("killed after the write, before the commit", _KILL, killed("after the write", 3)),
    in_step("killed after the commit", _KILL, killed("after the commit", 5)),
    in_step("first of two processes killed in the write", _HELD_UP, killed("in the write", 3, 0, 2)),
    in_step("second of two processes killed while saving", _KILL, killed("before the write", 3, 1, 2)),
    in_step("first process leaves the item out", _LEFT_OUT, left_out(0)),
    in_step("second process leaves the item out", _LEFT_OUT, left_out(1)),
    Scenario(
        failing_saves,
        (
            Fault("processes at different steps", "one of two processes takes a batch more, then both save"),
            Fault("step not the expected one", "`expect_step=` is another on one of two processes"),
            Fault("write fails", "the kernel's limit on the size of files (`RLIMIT_FSIZE`) on the writing process"),
        ),
    ),
    Scenario(
        own_disks,
        (
            Fault("write fails, each process has a disk", "the same on one of two, with `primary_host=None`"),
            Fault("state truncated on one disk", "`state.json` cut short on one of two, with `primary_host=None`"),
        ),
    ),
    in_step("processes at different steps, newer API", "the same with `v1.save_checkpointables`", newer_api),
    in_step("record that does not parse on one process", "a parser that raises on one of two", bad_record),
)
