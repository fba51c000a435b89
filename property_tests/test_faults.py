"""What happens when something breaks: each row of ``docs/faults.md`` is a real fault, which is tested here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from property_tests.testing import damaged_files, failing_measures, failing_processes
from property_tests.testing.fault_table import WRITES, Scenario, document, documented, row_of, text_is_current

SCENARIOS = failing_processes.SCENARIOS + failing_measures.SCENARIOS + damaged_files.SCENARIOS
FAULTS = [fault for scenario in SCENARIOS for fault in scenario.faults]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes, limits and devices of Linux")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.faults[0].name)
def test_fault(scenario: Scenario, tmp_path: Path) -> None:
    happened = scenario.run(tmp_path)
    rows = {fault.name: row_of(fault, text, tmp_path) for fault, text in zip(scenario.faults, happened, strict=True)}
    if WRITES:
        document(rows, FAULTS)
    found = documented()
    assert {name: found.get(name) for name in rows} == rows, "write the table again: see fault_table.py"


def test_the_page_has_the_text_of_its_writer() -> None:
    assert text_is_current(), "docs/faults.md is written by fault_table.py: change the text in both"


def test_the_table_has_no_other_rows() -> None:
    assert list(documented()) == [fault.name for fault in FAULTS]
