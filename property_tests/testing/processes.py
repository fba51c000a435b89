"""Starts, ends and kills real JAX processes that form one distributed run.

A program is a Python file. Its ``main`` part calls ``join_run`` before it uses JAX.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
TIMEOUT = 900  # seconds that processes may take on a busy machine
_COORDINATOR = "RESUMABLE_DATA_TEST_COORDINATOR"
_COUNT = "RESUMABLE_DATA_TEST_PROCESS_COUNT"
_INDEX = "RESUMABLE_DATA_TEST_PROCESS_INDEX"


def join_run(heartbeat_timeout: int = 20, shutdown_timeout: int = 60) -> None:
    """Joins the other processes, in a started process.

    Args:
        heartbeat_timeout: Seconds until the others notice that a process died.
        shutdown_timeout: Seconds that an ending process waits for the others.
    """
    import jax

    jax.distributed.initialize(
        os.environ[_COORDINATOR],
        int(os.environ[_COUNT]),
        int(os.environ[_INDEX]),
        initialization_timeout=120,
        heartbeat_timeout_seconds=heartbeat_timeout,
        shutdown_timeout_seconds=shutdown_timeout,
    )


def report(**values: Any) -> None:
    """Prints a line of JSON, in a started process. ``Run.lines`` and ``Ended.reports`` return it."""
    print(json.dumps(values), flush=True)


@dataclass(frozen=True)
class Ended:
    """The end of a process.

    Attributes:
        code: Its exit status; a negative one is the signal that killed it.
        output: Its standard output.
        errors: Its standard error.
    """

    code: int
    output: str
    errors: str

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Its reports."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]


@dataclass
class Run:
    """Processes of one run. As a context manager it leaves no process running."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for process, errors in zip(self.processes, self.errors, strict=True):
            if process.stdout is not None:
                process.stdout.close()
            errors.close()

    def line(self, index: int) -> dict[str, Any] | None:
        """Returns the next report of a process when it comes, or None at the end of its output."""
        stdout = self.processes[index].stdout
        assert stdout is not None
        for line in stdout:
            if line.startswith("{"):
                return json.loads(line)
        return None

    def kill(self, index: int) -> None:
        """Sends SIGKILL, which no process can handle."""
        self.processes[index].kill()

    def wait(self, timeout: float = TIMEOUT) -> list[Ended]:
        """Returns how all of them ended. Raises TimeoutExpired, with none left running, if one does not end."""

        def output_of(process: subprocess.Popen[str]) -> str:
            return process.communicate(timeout=timeout)[0]

        try:
            # All outputs are read together: a process whose output is not read stops, and the others wait for it.
            with ThreadPoolExecutor(len(self.processes)) as threads:
                outputs = list(threads.map(output_of, self.processes))
        except subprocess.TimeoutExpired:
            for process in self.processes:
                process.kill()
            raise
        ended: list[Ended] = []
        for process, output, errors in zip(self.processes, outputs, self.errors, strict=True):
            errors.seek(0)
            ended.append(Ended(process.returncode, output, errors.read()))
        return ended


def start(program: Path, arguments: Sequence[str] = (), *, count: int, devices: int = 2) -> Run:
    """Starts ``count`` processes of a program, with ``devices`` CPU devices each.

    Args:
        program: A Python file.
        arguments: Its command line, the same for all processes.
        count: Number of processes.
        devices: Devices of each.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    run = Run()
    for index in range(count):
        # A file takes the errors of a process without ever blocking it.
        errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - Run closes it
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
            _COORDINATOR: coordinator,
            _COUNT: str(count),
            _INDEX: str(index),
        }
        run.errors.append(errors)
        run.processes.append(
            subprocess.Popen(
                [sys.executable, str(program), *arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        )
    return run


def completed(program: Path, arguments: Sequence[str] = (), *, count: int, devices: int = 2) -> list[Ended]:
    """Runs a program on ``count`` processes to its end. Fails, with what they printed, if one does not succeed."""
    with start(program, arguments, count=count, devices=devices) as run:
        ended = run.wait()
    for index, process in enumerate(ended):
        assert process.code == 0, f"process {index} ended with {process.code}:\n{process.output}\n{process.errors}"
    return ended
