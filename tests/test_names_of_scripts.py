"""A pipeline is the same one however its script is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, multiprocessing, sys
import resumable_data as rd

def keep(document):
    return len(document) > 1

class Parser:
    def __call__(self, record):
        return record

def pipeline():
    documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2], [3], [4, 5, 6]] * 4))
    return documents.filter(keep).shuffle(1).repeat().pack(4, eod_id=0, window=4).batch(2)

def main():
    from resumable_data.digest import callable_name

    iterator = iter(pipeline())
    if len(sys.argv) > 1:
        iterator.set_state(json.loads(sys.argv[1]))
    next(iterator)
    print(callable_name(keep, None, None), callable_name(Parser(), None, None))
    print(json.dumps(iterator.get_state()))
"""
STARTS = 'if __name__ == "__main__":\n    main()\n'
SPAWNS = """
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=main)
    process.start()
    process.join()
"""


def run(folder: Path, *arguments: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, *arguments]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("file", "arguments", "module"),
    [
        ("train.py", ["train.py"], "train"),
        ("train.py", ["-m", "train"], "train"),
        ("train.py", ["-c", "import train; train.main()"], "train"),
        ("jobs/train.py", ["jobs/train.py"], "jobs.train"),
        ("jobs/train.py", ["-m", "jobs.train"], "jobs.train"),
        ("jobs/__main__.py", ["-m", "jobs"], "jobs.__main__"),
    ],
)
def test_functions_count_by_the_module_of_their_script(
    tmp_path: Path, file: str, arguments: list[str], module: str
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / "jobs").mkdir(exist_ok=True)
    (tmp_path / "jobs" / "__init__.py").touch()
    (tmp_path / file).write_text(SCRIPT + STARTS)
    names, _ = run(tmp_path, *arguments)
    assert names == f"{module}.keep {module}.Parser"


def test_they_do_in_a_process_that_is_spawned(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT + SPAWNS)
    names, _ = run(tmp_path, "train.py")
    assert names == "train.keep train.Parser"


def test_what_is_defined_at_a_prompt_counts_as_main(tmp_path: Path) -> None:
    names, _ = run(tmp_path, "-c", SCRIPT + STARTS)
    assert names == "__main__.keep __main__.Parser"


def test_a_script_and_a_notebook_that_imports_it_share_states(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT + STARTS)
    _, saved = run(tmp_path, "train.py")
    _, of_import = run(tmp_path, "-c", "import train; train.main()", saved)
    _, of_script = run(tmp_path, "train.py", saved)
    assert json.loads(saved)["step"] == 1
    assert json.loads(of_import) == json.loads(of_script)
    assert json.loads(of_import)["step"] == 2
