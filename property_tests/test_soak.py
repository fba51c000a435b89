"""The soak: a trainer that is killed and resumed over and over, 50 times in the deep profile."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from property_tests.testing.processes import ROOT

DEEP = os.environ.get("RESUMABLE_DATA_PROFILE") == "deep"
KILLS, PROCESSES = ("50", "1,1,2,4") if DEEP else ("2", "2")


def test_every_step_is_right_however_often_the_trainer_is_killed() -> None:
    command = [sys.executable, "-m", "property_tests.testing.soak", "--kills", KILLS, "--processes", PROCESSES]
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run([*command, "--seed", "11"], env=environment, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"kills: {KILLS}\n" in done.stdout
    assert "equal: all" in done.stdout
    assert int(re.search(r"steps verified: (\d+)", done.stdout)[1]) > int(KILLS)  # type: ignore[index]
