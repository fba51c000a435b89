"""Two real processes under Orbax's emergency and replicator managers: killed, started again, compared by batch."""

from __future__ import annotations

import signal
from itertools import islice
from pathlib import Path

import pytest

from property_tests.testing.processes import completed, start
from property_tests.testing.programs import emergency

PROGRAM = Path(emergency.__file__)
KILLED_AT, SAVED = 8, 6


@pytest.mark.parametrize("kind", emergency.RECIPES)
def test_a_recipe_goes_on_after_a_kill(tmp_path: Path, kind: str) -> None:
    batches = [batch.targets for batch in islice(iter(emergency.pipeline()), emergency.LAST)]
    expected = [
        [
            {"step": step, "seen": emergency.digest_of(rows[4 * process : 4 * process + 4])}
            for step, rows in enumerate(batches)
        ]
        for process in range(2)
    ]

    with start(PROGRAM, [kind, str(tmp_path), str(KILLED_AT)], count=2, devices=1) as run:
        killed = run.wait()
    assert [ended.code for ended in killed] == [-signal.SIGKILL] * 2, killed[0].errors + killed[1].errors
    assert [ended.reports for ended in killed] == [of_process[:KILLED_AT] for of_process in expected]

    resumed = [ended.reports for ended in completed(PROGRAM, [kind, str(tmp_path), "0"], count=2, devices=1)]
    assert resumed == [of_process[SAVED:] for of_process in expected]
