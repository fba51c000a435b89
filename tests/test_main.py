import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["resumable_data", "resumable_data.cli"])
def test_the_command_is_a_module_too(module: str) -> None:
    run = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
    assert "index" in run.stdout
