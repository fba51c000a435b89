"""SIGTERM to one of two processes: both save the same step and end with code 0; another number resumes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from property_tests.testing.processes import Ended, Run, start
from property_tests.testing.programs.small_trainer import build_pipeline, trainer, write_corpus
from property_tests.testing.soak_life import TRAINER, committed, keep_what_is_compiled

SAVE_EVERY = 100_000  # only a notice saves
STEPS_BEFORE_NOTICE = 3


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        keep_what_is_compiled(patch.setenv, tmp_path_factory.mktemp("compiled"))
        yield


def started(corpus: Path, checkpoints: Path, count: int) -> Run:
    arguments = [str(corpus), str(checkpoints), str(SAVE_EVERY), str(count)]
    return start(TRAINER, arguments, count=count, devices=4 // count)


def interrupted(run: Run, victim: int) -> tuple[list[dict[str, Any]], list[Ended]]:
    """Returns the report of process 0, and how all ended, if one process gets a notice after some steps."""
    lines: list[dict[str, Any]] = []
    with run:
        while (line := run.line(0)) is not None:
            lines.append(line)
            if len(lines) == STEPS_BEFORE_NOTICE:
                run.processes[victim].send_signal(signal.SIGTERM)
        return lines, run.wait()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_notice_to_one_process_makes_both_save_the_same_step_and_end(tmp_path: Path, victim: int) -> None:
    corpus, checkpoints = tmp_path / "corpus", tmp_path / "checkpoints"
    write_corpus(corpus)

    lines, ended = interrupted(started(corpus, checkpoints, 2), victim)

    assert [process.code for process in ended] == [0, 0], [process.errors[-2000:] for process in ended]
    last = lines[-1]["step"]
    assert last + 1 >= STEPS_BEFORE_NOTICE
    assert [folder.name for folder in checkpoints.iterdir()] == [str(last + 1)]

    lines_after, ended_after = interrupted(started(corpus, checkpoints, 1), 0)

    assert [process.code for process in ended_after] == [0]
    lines += lines_after
    assert committed(checkpoints) == len(lines)
    assert [line["step"] for line in lines] == list(range(len(lines)))
    uninterrupted = iter(build_pipeline(corpus))
    assert [line["batch"] for line in lines] == [trainer.digest(next(uninterrupted)) for _ in lines]
