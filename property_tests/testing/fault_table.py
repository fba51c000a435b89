"""The table of faults in the docs: the result of a test run for each.

``RESUMABLE_DATA_WRITE_TABLES=1 pytest -n 0 property_tests/test_faults.py`` writes it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from property_tests.testing.processes import ROOT

DOCUMENT = ROOT / "docs" / "faults.md"
WRITES = os.environ.get("RESUMABLE_DATA_WRITE_TABLES") == "1"

_HEAD = """# Faults

What happens to a saved position when something breaks. Each row is a test (`property_tests/test_faults.py`) with a
real process that is killed or a real file that is damaged. The last column is what the test run saw, and the tests
fail where it no longer is so.

*Restored* means that the batches which follow are the same bit for bit. An iterator that refuses a position stays
where it was; every test checks that. In a run of several processes a step is committed only if all of them save the
same position; they wait for each other no longer than `timeout_seconds` of the `DataCheckpointHandler`.

Text shows its length only when it is read. Each process measures a share, and waits for the lengths of the rest no
longer than `timeout_seconds` of `measure(…)`: 60 s, in these tests 2 s where a process does not come. *Right* rows
are equal, bit for bit, to those of one process that reads everything itself.

| fault | what is done | what happens |
|---|---|---|
"""


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        name: The fault.
        done: How the test causes it.
    """

    name: str
    done: str


@dataclass(frozen=True)
class Scenario:
    """Faults that one test runs through.

    Attributes:
        run: Runs the test in an empty directory, checks it, and returns what happened for each fault.
        faults: The faults, in this order.
    """

    run: Callable[[Path], Sequence[str]]
    faults: tuple[Fault, ...]


def row_of(fault: Fault, happened: str, directory: Path) -> str:
    """Returns a line of the table, without the parts that differ between runs."""
    text = happened.replace(f"{directory}/", "")
    text = re.sub(r"line \d+ column \d+ \(char \d+\)", "line …", text)
    text = re.sub(r"\b[0-9a-f]{16,}\b", "…", text)
    return f"| {fault.name} | {fault.done} | {' '.join(text.split())} |"


def documented() -> dict[str, str]:
    """Reads the lines of the committed table by the names of their faults, in its order."""
    lines = DOCUMENT.read_text().splitlines() if DOCUMENT.exists() else []
    return {
        line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ") and line not in _HEAD
    }


def document(rows: dict[str, str], order: Sequence[Fault]) -> None:
    """Writes lines into the table. Lines of other faults stay."""
    known = {**documented(), **rows}
    DOCUMENT.write_text(_HEAD + "\n".join(known[fault.name] for fault in order if fault.name in known) + "\n")
