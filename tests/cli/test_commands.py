"""The command on real files: answers for people and programs, and what cannot be answered in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from resumable_data.cli import main

SCRIPT = """
import resumable_data as rd

def double(document):
    return [2 * token for token in document]

def make_data(seed=1, batch=2, names=("web", "code")):
    def rows(name, n):
        documents = rd.Dataset.from_source(rd.SyntheticSource(n, [3, 2]), name=name)
        return documents.map(double, preserves_length=True).shuffle(seed).repeat().pack(4, eod_id=0)

    return rd.mix({name: rows(name, 30) for name in names}, {name: 1 for name in names}).batch(batch)

data = make_data()
number = 3
def make_number():
    return 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A script, and the checkpoints of a run of it with a skip."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "train.py").write_text(SCRIPT)
    program = f"""
import sys; sys.path.insert(0, {str(folder)!r})
import orbax.checkpoint as ocp, resumable_data as rd
from train import make_data
iterator = iter(make_data())
handlers = {{"data": rd.checkpoint.DataCheckpointHandler()}}
with ocp.CheckpointManager({str(folder / "run")!r}, item_names=("data",), item_handlers=handlers) as manager:
    for step in range(1, 4):
        next(iterator)
        if step == 3:
            iterator.skip(2)
        manager.save(step, args=ocp.args.Composite(data=rd.checkpoint.DataSave(iterator)))
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    return folder


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def answer(*arguments: object, code: int = 0) -> Any:
    exit_code, output = run(*arguments, "--json")
    assert exit_code == code, output
    return json.loads(output)


def test_inspect_tells_what_a_checkpoint_holds(folder: Path) -> None:
    code, text = run("inspect", folder / "run")
    assert code == 0
    assert text.startswith("step 3: 6 rows and ")
    assert "before step 3, after 6 rows: skip of 2 batches" in text
    assert answer("inspect", folder / "run", "--step", 2)["step"] == 2
    of_file = answer("inspect", folder / "run" / "3" / "data" / "state.json")
    assert of_file == answer("inspect", folder / "run" / "3")
    assert [one["path"] for one in of_file["components"]] == ["code", "web"]
    assert sum(one["share"] for one in of_file["components"]) == pytest.approx(1)
    assert [one["weight"] for one in of_file["components"]] == [0.5, 0.5]


def test_show_draws_a_pipeline_or_lists_that_of_a_checkpoint(folder: Path) -> None:
    script = f"{folder / 'train.py'}:make_data"
    code, text = run("show", script, "--set", "batch=8")
    assert (code, text.splitlines()[0]) == (0, "batch(size=8, drop_remainder=True)")
    assert "map(function='train.double'" in text
    assert answer("show", script)["components"].keys() == {"code", "web"}
    code, text = run("show", folder / "run")
    assert code == 0
    assert "batch(drop_remainder=True, size=2)" in text


def test_explain_when_and_verify_agree_with_the_library(folder: Path) -> None:
    script = f"{folder / 'train.py'}:make_data"
    why = answer("explain", script, 4, "--state", folder / "run")
    span = why["rows"][1][0]
    found = answer("when", script, span["component"], span["record"], "--state", folder / "run", "--until", 6)
    assert {"step": 4, "row": 1} in found
    assert run("when", script, "web", 0, "--until", 0) == (1, "it does not appear\n")

    assert answer("verify", script, folder / "run")["sound"]
    code, text = run("verify", script, folder / "run", "--set", "seed=2")
    assert code == 1
    assert "shuffle.seed was 1, is 2" in text
    assert not answer("verify", script, folder / "run", "--set", "seed=2", code=1)["sound"]


def test_diff_says_whether_and_where(folder: Path) -> None:
    script = f"{folder / 'train.py'}:make_data"
    assert run("diff", script, f"{folder / 'train.py'}:data", "--until", 5)[0] == 0
    other = answer("diff", script, script, "--set-b", "batch=3", code=1)
    assert (other["settings"], other["first_step"]) == (["batch.size was 2, is 3"], 0)
    skipped = answer("diff", script, script, "--state-b", folder / "run", code=1)
    assert (skipped["first_step"], skipped["shift"]) == (3, 2)
    states = answer("diff", folder / "run" / "2", folder / "run" / "3", code=1)
    assert states["position"][0] == "step was 2, is 3"
    assert states["compared"] is None


def test_simulate_plans_a_run(folder: Path, tmp_path: Path) -> None:
    script, page = f"{folder / 'train.py'}:make_data", tmp_path / "run.html"
    found = answer("simulate", script, "--steps", 9, "--state", folder / "run", "--html", page)
    assert (found["first"], found["steps"]) == (3, 9)
    assert page.read_text().startswith("<!DOCTYPE html>")
    code, text = run("simulate", script, "--steps", 9, "--set", "batch=8")
    assert (code, text.splitlines()[0].split(":")[0]) == (0, "9 steps from step 0 on")


def test_view_writes_a_page(folder: Path, tmp_path: Path) -> None:
    script, page = f"{folder / 'train.py'}:make_data", tmp_path / "step.html"
    code, text = run("view", script, 4, "--state", folder / "run", "--out", page)
    assert (code, text) == (0, f"{page}: {page.read_text().split('<title>')[1].split('</title>')[0]}\n")
    (folder / "decoders.py").write_text(
        "class Upper:\n    def decode(self, ids):\n        return 'UPPER'\nupper = Upper()\n"
    )
    assert run("view", script, 4, "--out", page, "--tokenizer", f"{folder / 'decoders.py'}:upper")[0] == 0
    assert "UPPER" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["view", "{folder}/train.py:data", "3", "--out", "{folder}/no/x.html"], "cannot be written"),
        (["view", "{folder}/train.py:data", "3", "--tokenizer", "{folder}/nothing"], "no such file or folder"),
        (["view", "{folder}/train.py:data", "3", "--tokenizer", "{folder}/train.py:number"], "an object with decode"),
        (["simulate", "{folder}/train.py:data"], "give the number of steps: steps="),
        (["simulate", "{folder}/train.py:data", "--steps", "0"], "must be at least 1"),
        (
            ["simulate", "{folder}/train.py:data", "--steps", "2", "--html", "{folder}/no/run.html"],
            "cannot be written",
        ),
        (["inspect", "{folder}/nothing"], "does not exist"),
        (["inspect", "{folder}"], "holds no data item"),
        (["inspect", "{folder}/run", "--step", "9"], "has no checkpoint of step 9; there are 1, 2, 3"),
        (["inspect", "{folder}/run", "--item", "model"], "has no item 'model'"),
        (["inspect", "{folder}/train.py"], "is not a checkpoint. A pipeline has a name in its file"),
        (["inspect", "{folder}/train.py:data"], "is not a checkpoint but a pipeline"),
        (["explain", "{folder}/train.py", "3"], "train.py:name"),
        (["verify", "{folder}/damaged.json", "{folder}/train.py:data"], "and a checkpoint after it or with --state"),
        (["inspect", "{folder}/damaged.json"], "the state is damaged"),
        (["inspect", "{folder}/list.json"], "does not hold a state: a state is a JSON object"),
        (["show", "{folder}/broken.py:make_data"], "cannot be imported: ModuleNotFoundError"),
        (["show", "{folder}/nowhere.py:make_data"], "does not exist"),
        (["show", "{folder}/train.py:nothing"], "has no attribute 'nothing'"),
        (["show", "{folder}/train.py:number"], "is int; give a dataset or a function"),
        (["show", "{folder}/train.py:make_number"], "returns int, not a dataset"),
        (["show", "{folder}/train.py:make_data", "--set", "color=3"], "fails: TypeError"),
        (["show", "{folder}/train.py:make_data", "--set", "seed"], "give name=value"),
        (["show", "{folder}/train.py:data", "--set", "seed=3"], "is a dataset and takes no arguments"),
        (["show", "no_such_module_x:data"], "cannot be imported"),
        (["explain", "train", "3"], "give module:name or file.py:name"),
        (["explain", "{folder}/train.py:data", "-3"], "No such option"),
        (["explain", "{folder}/train.py:data", "x"], "is not a valid integer"),
        (["explain", "{folder}/train.py:data", "3", "--state", "{folder}/damaged.json"], "the state is damaged"),
        (["when", "{folder}/train.py:data", "web", "99"], "has no record 99: it has 30 records, 0 to 29"),
        (["when", "{folder}/train.py:data", "wet", "9"], "there is no component 'wet'; there are 'code', 'web'"),
        (["diff", "{folder}/run", "{folder}/train.py:data", "--state-a", "x"], "--state-a needs a pipeline"),
        (["diff", "{folder}/run", "{folder}/nothing"], "does not exist"),
        (["verify", "{folder}/train.py:data", "{folder}/damaged.json"], "the state is damaged"),
        (["verify", "{folder}/train.py:data", "{folder}/run", "--allow", "everything"], "allow"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(folder: Path, arguments: list[str], message: str) -> None:
    (folder / "broken.py").write_text("import no_such_module\n")
    (folder / "list.json").write_text("[1]")
    state = json.loads((folder / "run" / "3" / "data" / "state.json").read_text())
    (folder / "damaged.json").write_text(json.dumps({**state, "step": 2}))

    code, output = run(*(argument.format(folder=folder) for argument in arguments))

    assert code == 2, output
    assert message in output
    (error,) = [line for line in output.splitlines() if not line.startswith(("Usage:", "Try ", "\n")) and line]
    assert error.startswith("Error: ")


def test_a_checkpoint_is_looked_at_without_importing_anything(folder: Path) -> None:
    """The item names the function ``train.double``, whose module must not be run."""
    program = f"""
import sys
sys.path.insert(0, {str(folder)!r})
from resumable_data.cli import main
for arguments in (["inspect", "run"], ["show", "run"], ["diff", "run/1", "run/2"]):
    try:
        main(arguments, standalone_mode=False)
    except SystemExit as ended:
        assert ended.code == 1
assert "train" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=folder, stdout=subprocess.PIPE)


@pytest.mark.parametrize("columns", [60, 140])
def test_tables_fit_the_terminal(folder: Path, columns: int) -> None:
    """A real terminal, of so many columns."""
    import pty

    main_end, terminal = pty.openpty()
    command = [sys.executable, "-m", "resumable_data", "explain", f"{folder / 'train.py'}:make_data", "0"]
    environment = {**os.environ, "COLUMNS": str(columns)}
    with subprocess.Popen(
        command, stdout=terminal, stderr=subprocess.DEVNULL, env=environment, cwd=folder
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(main_end, 65536):
                shown += piece
        except OSError:  # Linux reports in this way that the other end is closed
            pass
    os.close(main_end)
    assert process.returncode == 0
    lines = shown.decode().splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= columns


def test_a_pipe_that_is_closed_early_is_no_traceback(folder: Path) -> None:
    command = f"{sys.executable} -m resumable_data explain train.py:make_data 0 --set batch=5000 | head -n 1"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("step 0: 5000 rows")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help(name: str) -> None:
    code, text = run(name, "--help")
    assert code == 0
    assert "Usage: " in text


def test_the_shell_completes() -> None:
    environment = {
        **os.environ,
        "_RESUMABLE_DATA_COMPLETE": "bash_complete",
        "COMP_WORDS": "resumable-data in",
        "COMP_CWORD": "1",
    }
    program = "from resumable_data.cli import main; main(prog_name='resumable-data')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert {line.split(",")[-1] for line in done.stdout.split()} == {"index", "inspect"}


def test_a_page_and_an_index_answer_programs_too(folder: Path, tmp_path: Path) -> None:
    code, output = run("view", f"{folder}/train.py:data", "3", "--out", str(tmp_path / "step.html"), "--json")
    assert (code, json.loads(output)["file"]) == (0, str(tmp_path / "step.html"))
    assert json.loads(output)["title"].startswith("step 3: ")


def test_an_option_for_the_command_is_named(folder: Path) -> None:
    code, output = run("explain", f"{folder}/train.py:make_data", "9", "--state", f"{folder}/run", "--set", "batch=7")
    assert code == 2
    assert "--allow batch" in output
