"""One life of a run of trainer processes: started, followed, and ended at a chosen moment by a chosen signal."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from property_tests.testing.processes import ROOT, Run, start

TRAINER = ROOT / "property_tests/testing/programs/small_trainer.py"
DEVICES = 4  # of a run, whatever its number of processes, so that its arithmetic is the same
SAVE_EVERY = 5
PATIENCE = 900  # seconds that a life may take on a busy machine
STARTING, STEPPING, SAVING = "while starting", "between steps", "while saving"
KILL_ONE, KILL_ALL, NOTICE = "SIGKILL to one process", "SIGKILL to all processes", "SIGTERM to one process"


@dataclass(frozen=True)
class Plan:
    """The planned end of a life.

    Attributes:
        processes: The number of processes.
        signal: ``KILL_ONE``, ``KILL_ALL`` or ``NOTICE``.
        victim: The process that gets the signal, if only one does.
        moment: ``STARTING``, ``STEPPING`` or ``SAVING``.
        after: Steps reported before it.
        delay: Seconds after these steps, or after the start if it waits for no step.
        grace: Seconds from the kill of one process to the kill of the others.
    """

    processes: int
    signal: str
    victim: int
    moment: str
    after: int
    delay: float
    grace: float


class UnexpectedEndError(AssertionError):
    """A trainer ended by itself, or in another way than planned."""


def live(corpus: Path, checkpoints: Path, plan: Plan, on_step: Callable[[dict[str, Any]], None]) -> None:
    """Starts the processes, gives every reported step to ``on_step``, and ends them as planned.

    Raises:
        UnexpectedEndError: They ended earlier, or after SIGTERM with another code than 0.
    """
    arguments = [str(corpus), str(checkpoints), str(SAVE_EVERY), str(plan.processes)]
    with ExitStack() as stack:
        run = stack.enter_context(start(TRAINER, arguments, count=plan.processes, devices=DEVICES // plan.processes))
        signalled = threading.Event()
        # If a process hangs, all are killed, and the end counts as one before the signal.
        watchdog = threading.Timer(PATIENCE, _kill_all, [run])
        starting = threading.Timer(plan.delay, _send, [run, plan, signalled])
        for timer in [watchdog, *([starting] if plan.moment == STARTING else [])]:
            timer.start()
            stack.callback(timer.join)
            stack.callback(timer.cancel)
        reported = 0
        while (line := run.line(0)) is not None:
            on_step(line)
            reported += 1
            due = plan.moment != STARTING and reported >= plan.after and not signalled.is_set()
            if due and (plan.moment == STEPPING or _saves(checkpoints, line["step"])):
                time.sleep(plan.delay)
                _send(run, plan, signalled)
        early = not signalled.is_set()
        ended = run.wait(PATIENCE)
    codes = [process.code for process in ended]
    if early or (plan.signal == NOTICE and any(codes)):
        errors = "\n".join(process.errors[-3000:] for process in ended)
        raise UnexpectedEndError(
            f"the trainers ended with {codes} {'before' if early else 'after'} {plan}:\n{errors}"
        )


def keep_what_is_compiled(set_variable: Callable[[str, str], None], folder: Path) -> None:
    """Lets later trainers reuse compiled code, so that they compile only new code."""
    set_variable("JAX_COMPILATION_CACHE_DIR", str(folder))
    set_variable("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    set_variable("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def committed(checkpoints: Path) -> int:
    """Returns the step of the latest complete checkpoint, or 0."""
    folders = checkpoints.iterdir() if checkpoints.exists() else ()
    return max((int(folder.name) for folder in folders if folder.name.isdecimal()), default=0)


def _saves(checkpoints: Path, step: int) -> bool:
    """Says whether the trainer is writing a checkpoint after a step. Waits for the first sign of it."""
    if (step + 1) % SAVE_EVERY:
        return False
    until = time.monotonic() + 1
    while time.monotonic() < until and committed(checkpoints) < step + 1:
        if any(not folder.name.isdecimal() for folder in checkpoints.iterdir()):
            return True
    return False


def _send(run: Run, plan: Plan, signalled: threading.Event) -> None:
    signalled.set()
    if plan.signal == KILL_ALL:
        _kill_all(run)
    elif plan.signal == NOTICE:
        run.processes[plan.victim].send_signal(signal.SIGTERM)
    else:
        run.kill(plan.victim)
        if plan.grace:
            time.sleep(plan.grace)
        _kill_all(run)


def _kill_all(run: Run) -> None:
    for process in run.processes:
        process.kill()
