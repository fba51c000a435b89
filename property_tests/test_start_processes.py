"""Real processes begin to load before they compare their positions: none hangs, and every difference is an error."""

from __future__ import annotations

from itertools import islice

import pytest

from property_tests.testing.processes import ROOT, completed
from property_tests.testing.programs.starting import BATCHES, pipeline

PROGRAM = ROOT / "property_tests" / "testing" / "programs" / "starting.py"


def expected(*, is_measured: bool) -> list[list[list[int]]]:
    return [batch.targets.tolist() for batch in islice(pipeline(is_measured=is_measured), BATCHES)]


def joined(parts: list[list[list[list[int]]]]) -> list[list[list[int]]]:
    """Joins the rows of all processes, in their order, to batches."""
    return [[row for part in rows for row in part] for rows in zip(*parts, strict=True)]


@pytest.mark.parametrize("kind", ["measured", "known"])
def test_processes_that_start_at_different_times_deliver_the_same(kind: str) -> None:
    reports = [ended.reports[0] for ended in completed(PROGRAM, [kind], count=2)]
    batches = expected(is_measured=kind == "measured")

    assert joined([report["first"] for report in reports]) == batches[:3]
    assert joined([report["skipped"] for report in reports]) == batches[1:]


def test_processes_at_different_positions_fail_at_the_first_batch() -> None:
    ended = completed(PROGRAM, ["apart"], count=2)
    for process in ended:
        assert "process 1 has step 2, process 0 0" in process.reports[0]["error"]
    assert joined([process.reports[1]["after"] for process in ended]) == expected(is_measured=True)[:2]
