"""One of four real processes differs: all end with an error that names it, and no process has moved."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from array_record.python.array_record_module import ArrayRecordReader

import resumable_data as rd
from property_tests.testing.array_record_shards import write_records
from property_tests.testing.elastic_pipelines import digest_at, write_corpus
from property_tests.testing.processes import completed
from property_tests.testing.programs.disagreeing import pipeline

PROGRAM = Path(__file__).with_name("testing") / "programs" / "disagreeing.py"
PROCESSES = range(4)

DIFFERENCES = {
    "seed": "process 2 has another pipeline, or other data, than process 0",
    "data": "process 1 has another pipeline, or other data, than process 0",
    "step": "process 3 has step 1, process 0 2",
    "edit": "process 1 is at another position than process 0, or had other edits",
    "copy of another step": "process 3 has step 4, process 0 2",
}
FAILURES = {
    "damaged copy": (2, "StateError: "),
    "missing copy": (0, "StateError: "),
    "copy of another pipeline": (1, "PipelineMismatchError: the state belongs to another pipeline"),
}

Reports = list[dict[str, dict[str, Any]]]


def test_all_are_told_which_process_differs(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus")
    write_other_corpus(tmp_path / "corpus", tmp_path / "other corpus")
    write_copies(tmp_path / "corpus", tmp_path / "copies")
    ended = completed(PROGRAM, [str(tmp_path)], count=len(PROCESSES))
    reports = [{report["case"]: report for report in process.reports} for process in ended]
    for case, line in DIFFERENCES.items():
        the_difference_is_named(reports, case, line)
    for case, (culprit, reason) in FAILURES.items():
        the_process_that_cannot_restore_is_named(reports, case, culprit, reason)
    the_process_that_differs_is_told_in_what(reports)
    the_run_goes_on_where_all_agree_again(reports, tmp_path / "corpus")


def write_other_corpus(corpus: Path, other: Path) -> None:
    """Writes files with the same names and document lengths, and one different token in one of them."""
    shutil.copytree(corpus, other)
    records = ArrayRecordReader(str(corpus / "web_0.arecord")).read_all()
    records[40] = records[40][:-1] + b"\x01"
    write_records(other / "web_0.arecord", records)


def write_copies(corpus: Path, copies: Path) -> None:
    """Saves checkpoints of step 2 for each process. In each case but one, a process has another checkpoint."""

    def save(directory: Path, steps: int, seed: int = 7) -> None:
        with iter(pipeline(corpus, seed)) as iterator:
            for _ in range(steps):
                next(iterator)
            checkpointer = ocp.Checkpointer(rd.checkpoint.DataCheckpointHandler())
            checkpointer.save(directory / "data", args=rd.checkpoint.DataSave(iterator), force=True)

    for process in PROCESSES:
        for case in ("sound", "damaged copy", "missing copy", "copy of another step", "copy of another pipeline"):
            (copies / str(process) / case).mkdir(parents=True)
            save(copies / str(process) / case, steps=2)
    damaged = copies / "2" / "damaged copy" / "data" / "state.json"
    damaged.write_text(damaged.read_text().replace('"step": 2', '"step": 3'))
    (copies / "0" / "missing copy" / "data" / "state.json").unlink()
    save(copies / "3" / "copy of another step", steps=4)
    save(copies / "1" / "copy of another pipeline", steps=2, seed=8)


def the_difference_is_named(reports: Reports, case: str, line: str) -> None:
    for process in PROCESSES:
        found = reports[process][case]
        assert found["error"].startswith("PipelineMismatchError: ")
        assert found["differences"][0] == line
        assert not found["moved"]


def the_process_that_cannot_restore_is_named(reports: Reports, case: str, culprit: int, reason: str) -> None:
    for process in PROCESSES:
        found = reports[process][case]
        if process == culprit:
            assert found["error"].startswith(reason)
        else:
            assert found["error"].startswith("PeerError: ")
            assert f"process {culprit}: {reason}" in found["error"]
        assert not found["moved"]


def the_process_that_differs_is_told_in_what(reports: Reports) -> None:
    assert reports[2]["seed"]["differences"][1:] == ["here, against process 0: web: shuffle.seed was 7, is 8"]
    assert "source" in reports[1]["data"]["differences"][1]
    assert all(len(reports[process]["seed"]["differences"]) == 1 for process in (0, 1, 3))


def the_run_goes_on_where_all_agree_again(reports: Reports, corpus: Path) -> None:
    plain = list(islice(iter(pipeline(corpus)), 4))
    for case, step in {"goes on": 2, "stays": 1, "restored": 2}.items():
        for of_process in reports:
            assert of_process[case]["step"] == step + 1
            assert len(of_process[case]["shards"]) == 2
            assert all(digest == digest_at(plain[step], place) for place, digest in of_process[case]["shards"])
