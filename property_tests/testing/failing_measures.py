"""Faults while processes measure text by shares: each waits for the lengths that the others measure."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing import toy_tokenizer
from property_tests.testing.damaged_files import in_step, named
from property_tests.testing.failing_processes import ENDS_WITHIN, attempted, errors_of
from property_tests.testing.fault_table import Fault, Scenario
from property_tests.testing.processes import ROOT, Ended, start
from property_tests.testing.programs import measuring
from property_tests.testing.programs.faults import checkpoints, restore, save
from property_tests.testing.programs.measuring import FAR, NEAR, SAVED, pipeline

PROGRAM = ROOT / "property_tests" / "testing" / "programs" / "measuring.py"
WARNING = re.compile(r"texts: lengths of process (\d+) did not come in time and are measured here")


def write_tokenizer(directory: Path) -> None:
    """Returns the tokenizer of all processes."""
    directory.mkdir(exist_ok=True)
    toy_tokenizer.trained().save(str(directory / "tokenizer.json"))


@cache
def reference(directory: Path) -> list[list[str]]:
    """Returns digests of the rows of each of two processes, from one process without interruptions."""
    parts: list[list[str]] = [[], []]
    with iter(pipeline(directory)) as iterator:
        for batch in islice(iterator, FAR):
            for process, found in enumerate(parts):
                found.append(measuring.digest_of(rows_of(batch, process)))
    return parts


def rows_of(batch: rd.LLMBatch, process: int) -> rd.LLMBatch:
    """Returns the rows of a batch that one of two processes has."""
    half = len(batch.inputs) // 2
    rows = slice(process * half, (process + 1) * half)
    return batch.replace(
        inputs=batch.inputs[rows], targets=batch.targets[rows], targets_segmentation=batch.targets_segmentation[rows]
    )


def expected(directory: Path, process: int, steps: range) -> list[str]:
    """Returns digests of the rows of one of two processes."""
    return reference(directory)[process][steps.start : steps.stop]


def ended_of(directory: Path, *arguments: str, count: int = 2) -> list[Ended]:
    """Runs a case to its end, on processes that must all succeed."""
    action, *more = arguments
    with start(PROGRAM, [action, str(directory), *more], count=count) as processes:
        ended = processes.wait(ENDS_WITHIN)
    for process in ended:
        assert process.code == 0, process.errors
    return ended


def warned_of(process: Ended) -> list[str]:
    """Returns the processes whose lengths a process measured in their place."""
    return WARNING.findall(process.errors)


def continued(directory: Path) -> None:
    """Checks that one process goes on from an earlier save."""
    whole = [measuring.digest_of(rows_of(batch, 0)) for batch in islice(iter(pipeline(directory)), SAVED + 3)]
    with checkpoints(directory / "run") as (manager, _):
        iterator = iter(pipeline(directory))
        restore(manager, iterator, SAVED)
        assert [measuring.digest_of(rows_of(batch, 0)) for batch in islice(iterator, 3)] == whole[SAVED:]


def killed(victim: int) -> Callable[[Path], list[str]]:
    """Kills a process while the other waits for its lengths. A new run goes on from step 3."""

    def run(directory: Path) -> list[str]:
        write_tokenizer(directory)
        with start(PROGRAM, ["lost", str(directory), str(victim), "killed"], count=2) as processes:
            assert processes.line(victim) == {"at": "measuring"}
            processes.kill(victim)
            ended = processes.wait(ENDS_WITHIN)
        assert ended[victim].code == -signal.SIGKILL
        continued(directory)
        if victim == 0:
            assert ended[1].code != 0
            return ["the other process ends too; step 3 is restored"]
        assert ended[0].code == 0, ended[0].errors
        assert ended[0].reports == [{"batches": expected(directory, 0, range(FAR))}]
        assert warned_of(ended[0]) == ["1"]
        return ["process 0 warns, measures the lengths itself, and its rows are right; step 3 is restored"]

    return run


def stopped(directory: Path) -> list[str]:
    """Stops a process while the other waits for its lengths, until the other has gone on without it."""
    write_tokenizer(directory)
    with start(PROGRAM, ["lost", str(directory), "1", "stopped"], count=2) as processes:
        assert processes.line(1) == {"at": "measuring"}
        assert processes.line(0) == {"batches": expected(directory, 0, range(FAR))}
        os.kill(processes.processes[1].pid, signal.SIGCONT)
        assert processes.line(1) == {"batches": expected(directory, 1, range(FAR))}
        ended = processes.wait(ENDS_WITHIN)
    assert warned_of(ended[0]) == ["1"]
    return ["the other process warns, measures the lengths itself, and goes on; the rows of both are right"]


def alone(directory: Path) -> list[str]:
    """Lets one process do alone what needs the lengths of the other."""
    write_tokenizer(directory)
    with iter(pipeline(directory)) as iterator:
        list(islice(iterator, FAR + 9))
        restored = list(islice(iterator, 5))
        iterator.skip(FAR)
        skipped = list(islice(iterator, 5))
    ended = ended_of(directory, "alone")
    for process, found in enumerate(ended):
        reports = {name: value for report in found.reports for name, value in report.items()}
        assert reports["ahead"] == expected(directory, process, range(FAR))
        assert reports["evaluated"] == 5
        assert reports["restored"] == [measuring.digest_of(rows_of(batch, process)) for batch in restored]
        assert reports["skipped"] == [measuring.digest_of(rows_of(batch, process)) for batch in skipped]
    assert set(warned_of(ended[0])) == {"1"}
    assert warned_of(ended[1]) == []
    return ["it warns once, measures the lengths itself, and gets on; the rows of both are right"]


def unreadable(directory: Path) -> list[str]:
    """Makes a text unreadable on one process, and then readable again."""
    write_tokenizer(directory)
    ended = ended_of(directory, "unreadable")
    for process, found in enumerate(ended):
        assert found.reports[2] == {"batches": expected(directory, process, range(FAR))}
    (step,) = {process.reports[1]["step"] for process in ended}
    assert step > 0
    return [f"{attempted(ended, 0)}; both stay at step {step}, and go on once the text can be read"]


def other_map(directory: Path) -> list[str]:
    """Lets a map make another text on one process."""
    write_tokenizer(directory)
    ended = ended_of(directory, "differing", "map")
    (error,) = errors_of(ended[0])
    kind, text = str(error).split(": ", 1)
    return [f"process 0, where a row has a text that process 1 measured: `{kind}`: {text}"]


def other_tokenizer(directory: Path) -> list[str]:
    """Gives one process another tokenizer."""
    write_tokenizer(directory)
    write_tokenizer(directory / "other")
    path = directory / "other" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    del tokenizer["model"]["merges"][-1]
    path.write_text(json.dumps(tokenizer))
    ended = ended_of(directory, "differing", "tokenizer")
    assert all(process.reports[1] == {"step": 0, "batches": []} for process in ended)
    return [attempted(ended, 0)]


def changed_map(directory: Path) -> list[str]:
    """Lets a map make another text after the restart than before it."""
    write_tokenizer(directory)
    before = iter(pipeline(directory, None, measuring.same))
    changed = iter(pipeline(directory, None, measuring.longer))
    with checkpoints(directory / "run") as (manager, _):
        measuring.take(before, SAVED)
        save(manager, before)
        unmoved = changed.get_state()
        with pytest.raises(rd.PipelineMismatchError) as caught:
            restore(manager, changed, SAVED)
        assert changed.get_state() == unmoved
    return [named(caught.value)]


def delivered(directory: Path, ended: list[Ended], first: int = 0) -> list[dict[str, Any]]:
    """Checks the rows of processes that share a directory, and returns their reports."""
    for process, found in enumerate(ended):
        error, report = found.reports
        assert error == {"error": None}
        assert report["batches"] == expected(directory, process, range(first, NEAR))
    return [process.reports[1] for process in ended]


def by_directory(directory: Path) -> list[str]:
    """Runs two processes of a directory, damages it, and resumes."""
    write_tokenizer(directory)
    fresh = delivered(directory, ended_of(directory, "shared", "facts", "2"))
    # A text is read at most twice: once by the process that measures it, and once by another that delivers it.
    assert all(max(Counter(found["read"]).values()) == 1 for found in fresh)
    twice = set(fresh[0]["read"]) & set(fresh[1]["read"])
    everything = set(fresh[0]["read"]) | set(fresh[1]["read"])
    assert len(everything) == len(measuring.TEXTS)
    assert len(twice) < 0.1 * len(everything)

    files = sorted(path for path in (directory / "facts").rglob("*") if path.is_file())
    written = [path.read_bytes() for path in files]
    files[0].write_bytes(written[0][: len(written[0]) // 2])
    files[1].write_bytes(b"")
    files[2].write_bytes(written[2][:-1] + bytes([written[2][-1] ^ 1]))
    damaged = delivered(directory, ended_of(directory, "shared", "facts", "2"))
    assert [path.read_bytes() for path in files] == written
    assert sum(len(found["read"]) - found["documents"] for found in damaged) <= 3 * measuring.WINDOW

    with iter(pipeline(directory)) as iterator:
        list(islice(iterator, NEAR - 4))
        (directory / "state.json").write_text(json.dumps(iterator.get_state()))
    resumed = delivered(directory, ended_of(directory, "shared", "facts", "2", "state.json"), NEAR - 4)
    for found in resumed:
        assert len(found["read"]) <= found["documents"]
    return [
        f"one process measures each of {len(everything)} texts, and {len(twice)} are read again to be delivered",
        "they count as missing: their windows are measured and written again, no others; the rows are right",
        "each process reads the texts of its own rows, and none to measure it",
    ]


def absent(directory: Path) -> list[str]:
    """Never starts one of two processes."""
    write_tokenizer(directory)
    ended = ended_of(directory, "shared", "facts", "1", count=1)
    delivered(directory, ended)
    assert warned_of(ended[0]) == ["1"]
    return ["it warns once, measures the lengths itself, and its rows are right"]


def no_directory(directory: Path) -> list[str]:
    """Makes the directory unwritable."""
    write_tokenizer(directory)
    (directory / "facts").write_text("a file")
    ended = ended_of(directory, "shared", "facts", "2")
    return [re.sub(r"facts/\w\w/", "facts/", attempted(ended, 0))]


_KILL = "`kill -9` where it is to measure its share"

SCENARIOS = (
    in_step("first of two processes killed, its lengths awaited", _KILL, killed(0)),
    in_step("second of two processes killed, its lengths awaited", _KILL, killed(1)),
    in_step(
        "process stopped, its lengths awaited",
        "`SIGSTOP` to one of two, then `SIGCONT` when the other is far ahead",
        stopped,
    ),
    in_step(
        "process alone",
        "one of two goes ahead, peeks, evaluates, restores and skips; the other does so after it",
        alone,
    ),
    in_step("process absent", "one of two that share a directory of lengths is never started", absent),
    in_step("text that one process cannot read", "a reader that raises on one of two for a while", unreadable),
    in_step("map that differs", "a `map` under one name makes other text on one of two processes", other_map),
    in_step("map that was changed", "a `map` under one name makes other text after the restart", changed_map),
    in_step("tokenizer that differs", "one of two processes has other merges", other_tokenizer),
    Scenario(
        by_directory,
        (
            Fault("no run of JAX", "two separate processes of `shard(i, 2)` with `measure(directory)`"),
            Fault("lengths torn and damaged", "files of the directory cut short, emptied, and one bit flipped"),
            Fault("run that ended, lengths in a directory", "new processes with the saved state and the directory"),
        ),
    ),
    in_step("no directory", "a file stands where the directory of lengths is to be", no_directory),
)
