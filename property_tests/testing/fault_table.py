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

This page says what happens to a saved position when something breaks. Each row of the table is a test
(`property_tests/test_faults.py`). The test kills a real process or damages a real file. The last column says what
happened when the table was written, and the test fails if something else happens now.

*Restored* means that the batches which follow are the same bit for bit. An iterator that refuses a position stays
where it was; every test checks that. In a run of several processes a step is committed only if all of them save the
same position. They wait for each other no longer than `timeout_seconds` of the `DataCheckpointHandler`.

The length of a text is known only after it is read. Each process measures a share of the texts, and waits for the
lengths of the others no longer than `timeout_seconds` of `measure(…)`. The default is 60 s; it is 2 s in the tests
in which a process does not come. *Right* rows are equal, bit for bit, to those of one process that reads everything
itself.

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


def text_is_current() -> bool:
    """Says whether the committed page begins with the text above."""
    return DOCUMENT.read_text().startswith(_HEAD)


def document(rows: dict[str, str], order: Sequence[Fault]) -> None:
    """Writes lines into the table. Lines of other faults stay."""
    known = {**documented(), **rows}
    DOCUMENT.write_text(_HEAD + "\n".join(known[fault.name] for fault in order if fault.name in known) + "\n")
