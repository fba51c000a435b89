"""Real processes go on with data that grew and rows of another length, on any number of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from property_tests.testing.processes import completed
from property_tests.testing.programs.growing import STEPS, pipeline

PROGRAM = Path(__file__).with_name("testing") / "programs" / "growing.py"


def test_any_number_of_processes_delivers_the_same(tmp_path: Path) -> None:
    (state,) = {json.dumps(ended.reports[0]["state"]) for ended in completed(PROGRAM, ["save"], count=2)}
    saved = tmp_path / "state.json"
    saved.write_text(state)

    alone = iter(pipeline(700, 24))
    alone.set_state(json.loads(state), allow={"data", "length"})
    begin = alone.get_state()
    expected = [next(alone).targets.tolist() for _ in range(STEPS)]
    for count in (1, 4):
        reports = [ended.reports[0] for ended in completed(PROGRAM, ["restore", str(saved)], count=count)]
        assert joined(reports) == expected
        assert all(report["state"] == json.loads(json.dumps(alone.get_state())) for report in reports)
    # The epoch in progress keeps its 600 documents, and the next has 700.
    assert alone.edits[0].epoch == 1
    assert max(begun(begin, alone.step, epoch=0)) < 600
    assert begun(begin, alone.step, epoch=1) == Counter(range(700))


def joined(reports: list[dict[str, Any]]) -> list[list[list[int]]]:
    """Puts the rows of all processes into global batches; rows on several devices are the same."""
    batches: list[list[list[int]]] = []
    for step in range(STEPS):
        rows = dict(pair for report in reports for pair in map(tuple, report["rows"][step]))
        batches.append([rows[number] for number in sorted(rows)])
    return batches


def begun(begin: Any, end: int, epoch: int) -> Counter[int]:
    """Counts the documents of an epoch that begin between a state and a step."""
    data = pipeline(700, 24)
    explained = (data.explain(step, state=begin) for step in range(begin["step"], end))
    spans = (span for explanation in explained for row in explanation.rows for span in row)
    return Counter(span.record for span in spans if span.epoch == epoch and span.start == 0)
