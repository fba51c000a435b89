"""The example of a Prometheus endpoint, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLE = re.compile(r'[a-z_]+(\{work="[a-z]+"\})? \d+(\.\d+)?(e-\d+)?')


def test_it_serves_the_stats_of_the_run() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, str(ROOT / "examples" / "metrics_endpoint.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "resumable_data_batches_total 60\n" in done.stdout
    assert done.stdout.endswith("The endpoint agrees with the iterator.\n")
    metrics, _, _ = done.stdout.partition("\n\n")
    lines = metrics.splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    samples = [line for line in lines if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in samples), samples
    assert {re.split(r"[ {]", line)[0] for line in samples} == names
