"""Meetings of a run's processes: each says something, one of them judges what all said, and all hear the same."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import jax

# JAX offers no public name for its coordination service. Unlike a collective on the devices, it has time-outs.
from orbax.checkpoint import multihost

from resumable_data.digest import Json
from resumable_data.errors import PeerError

LOGGER = logging.getLogger(__name__)

_PATIENCE_SECONDS = 60.0
# Python handles no signal while it waits in the service: no Ctrl-C, and none that announces a preemption.
_DEAF_SECONDS = 2.0

_ServiceError = cast(type[Exception], cast(Any, jax.errors).JaxRuntimeError)

Judge = Callable[[Mapping[int, Any]], Json]
"""From what the processes said, in their order, to what follows for all of them."""


@dataclass(frozen=True)
class Meeting:
    """One meeting, at JAX's coordination service.

    Each process leaves what it says; who comes last judges. The first verdict that anyone leaves is everybody's: that
    of the last to come, of a process that cannot go on, or of one that has waited in vain. So all of them always hear
    the same, and of a meeting that all have left nothing stays behind. It takes each process about four calls of the
    service, whatever their number.

    Attributes:
        purpose: What an error says that they were about to do.
        processes: Who takes part, ascending; the present one among them.
        place: The meeting's own name, the same on all processes and never used again.
        timeout_seconds: How long to wait for the others.
        own: The present process.
        client: JAX's client of the service.
    """

    purpose: str
    processes: tuple[int, ...]
    place: str
    timeout_seconds: float
    own: int
    client: Any

    @classmethod
    def here(cls, purpose: str, processes: tuple[int, ...], place: str, timeout_seconds: float) -> Meeting:
        """A meeting of processes of the run that this process is part of."""
        return cls(
            purpose, processes, place, timeout_seconds, jax.process_index(), multihost.get_jax_distributed_client()
        )

    def hold(self, said: Json, judge: Judge) -> Json:
        """Says something, waits for the others, and returns the verdict.

        Raises:
            PeerError: Another process cannot go on, did not come in time, or cannot be reached.
        """
        try:
            with self._service():
                verdict = self._held(said, judge)
        except PeerError:
            raise
        except BaseException as error:
            # Most often a Ctrl-C. The others would wait in vain for who leaves, at the next meeting or at this one.
            with suppress(PeerError):
                self.fail(f"{type(error).__name__}: {error}".rstrip(": "))
            raise
        if "failure" in verdict:
            raise PeerError(f"{self.purpose}: another process cannot go on:\n  {verdict['failure']}")
        if "absent" in verdict:
            raise PeerError(
                f"{self.purpose}: of the {len(self.processes)} processes that take part, process "
                f"{', '.join(map(str, verdict['absent']))} did not come within {self.timeout_seconds:g} s. "
                "See what it reports, and whether the program does this on every process"
            )
        return verdict["judged"]

    def fail(self, reason: str) -> None:
        """Tells the others, now or when they come, that this process cannot go on; waits for nobody.

        Raises:
            PeerError: They cannot be reached.
        """
        with self._service():
            self._settle({"failure": f"process {self.own}: {reason}"})

    def decline(self, reason: str) -> None:
        """As ``fail``, for a meeting that the others most often decline too: if all do, nothing stays behind.

        Raises:
            PeerError: They cannot be reached.
        """
        self.fail(reason)
        with self._service():
            self._leave()

    @contextmanager
    def _service(self) -> Generator[None]:
        """Turns what the service fails with into the error that says so."""
        try:
            yield
        except _ServiceError as error:
            raise PeerError(f"{self.purpose}: the run's other processes cannot be reached: {error}") from error

    def _held(self, said: Json, judge: Judge) -> dict[str, Any]:
        self.client.key_value_set(self._said_by(self.own), json.dumps(said))
        if self.client.key_value_increment(f"{self.place}/come", 1) == len(self.processes):
            verdict = self._settle({"judged": judge(self._said())})
        else:
            verdict = self._awaited() or self._settle({"absent": self._absent()})
        if "judged" in verdict:
            self._leave()
        return verdict

    def _leave(self) -> None:
        if self.client.key_value_increment(f"{self.place}/left", 1) == len(self.processes):
            self.client.key_value_delete(f"{self.place}/")

    def _settle(self, verdict: Mapping[str, Json]) -> dict[str, Any]:
        """Leaves a verdict, if there is none, and returns the one that stands."""
        text = json.dumps(verdict)
        try:
            self.client.key_value_set(self._verdict, text)
        except _ServiceError as error:
            if "ALREADY_EXISTS" not in str(error):
                raise
            text = self.client.key_value_try_get(self._verdict)
        return json.loads(text)

    def _awaited(self) -> dict[str, Any] | None:
        """The verdict, or None if nobody leaves one in time."""
        now = time.monotonic()
        deadline, complaint = now + self.timeout_seconds, now + _PATIENCE_SECONDS
        while (left := deadline - now) > 0:
            try:
                milliseconds = max(1, round(min(left, complaint - now, _DEAF_SECONDS) * 1000))
                return json.loads(self.client.blocking_key_value_get(self._verdict, milliseconds))
            except _ServiceError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise
            now = time.monotonic()
            if complaint <= now < deadline:
                LOGGER.warning("%s: waiting for process %s", self.purpose, ", ".join(map(str, self._absent())))
                complaint = now + _PATIENCE_SECONDS
        return None

    def _said(self) -> dict[int, Any]:
        """What was said so far, by process, ascending."""
        found = self.client.key_value_dir_get(f"{self.place}/said/")
        said = {int(key.rsplit("/", 1)[1]): json.loads(value) for key, value in found}
        return {process: said[process] for process in self.processes if process in said}

    def _absent(self) -> list[int]:
        """Who has not come; where all have, the others than this one, of whom the last did not get to judge."""
        come = self._said()
        absent = [process for process in self.processes if process not in come]
        return absent or [process for process in self.processes if process != self.own]

    def _said_by(self, process: int) -> str:
        return f"{self.place}/said/{process}"

    @property
    def _verdict(self) -> str:
        return f"{self.place}/verdict"
