"""A rendezvous of a run's processes: each leaves a message, one decides on all of them, and all get one outcome."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import jax

from resumable_data.compat import CoordinationClient, coordination_client, service_error

# JAX has no public name for its coordination service. Unlike a collective on the devices, the service has time-outs.
from resumable_data.digest import Json
from resumable_data.errors import PeerError
from resumable_data.opaque import JsonDict

LOGGER = logging.getLogger(__name__)

_ServiceError = service_error()

Decide = Callable[[Mapping[int, Any]], Json]
"""Takes the messages by process, ascending. Returns what the processes do next."""


@dataclass(frozen=True)
class Rendezvous:
    """One rendezvous, held through JAX's coordination service.

    Each process leaves a message, and the last process to come decides. The first outcome that any process leaves
    is the outcome for all. It comes from the last process to come, from a process that cannot go on, or from a
    process that has waited too long. So all processes always get the same outcome. When all have left, nothing of the
    rendezvous remains in the service. Each process makes about four calls of the service, however many processes
    there are.

    Attributes:
        purpose: What the processes are about to do; errors begin with it.
        processes: The processes that take part, ascending; this process is one of them.
        place: The name of this rendezvous. It is the same on all processes and is never used again.
        timeout_seconds: How long to wait for the other processes.
        own: The index of this process.
        client: JAX's client of the service.
        warn_every_seconds: How often the log names the processes that are late.
        seconds_per_call: The longest wait in one call of the service. Python handles no signal during a call: neither
            Ctrl-C nor the signal of a preemption.
    """

    purpose: str
    processes: tuple[int, ...]
    place: str
    timeout_seconds: float
    own: int
    client: CoordinationClient
    warn_every_seconds: float = 60.0
    seconds_per_call: float = 2.0

    @classmethod
    def here(cls, purpose: str, processes: tuple[int, ...], place: str, timeout_seconds: float) -> Rendezvous:
        """Makes the rendezvous for this process. The arguments are the attributes of the same names."""
        return cls(purpose, processes, place, timeout_seconds, jax.process_index(), coordination_client())

    def meet(self, message: Json, decide: Decide) -> Json:
        """Leaves a message, waits for the other processes, and returns what was decided.

        Args:
            message: What this process tells the others.
            decide: Runs on one process, after all messages are there.

        Returns:
            What ``decide`` returned, on every process.

        Raises:
            PeerError: Another process cannot go on, did not come in time, or cannot be reached.
        """
        try:
            with self._service():
                outcome = self._wait_for_outcome(message, decide)
        except PeerError:
            raise
        except BaseException as error:
            # Most often Ctrl-C. Without this, the others would wait for this process here or at the next rendezvous.
            with suppress(PeerError):
                self.fail(f"{type(error).__name__}: {error}".rstrip(": "))
            raise
        if "failure" in outcome:
            raise PeerError(f"{self.purpose}: another process cannot go on:\n  {outcome['failure']}")
        if "absent" in outcome:
            raise PeerError(
                f"{self.purpose}: of the {len(self.processes)} processes that take part, process "
                f"{', '.join(map(str, outcome['absent']))} did not come within {self.timeout_seconds:g} s. "
                "See what it reports, and whether the program does this on every process"
            )
        return outcome["decided"]

    def fail(self, reason: str) -> None:
        """Tells the other processes that this process cannot go on. It does not wait for them.

        Processes that come later are told too.

        Raises:
            PeerError: The other processes cannot be reached.
        """
        with self._service():
            self._settle({"failure": f"process {self.own}: {reason}"})

    def decline(self, reason: str) -> None:
        """Does what ``fail`` does, where all processes often decline. If all do, nothing remains in the service.

        Raises:
            PeerError: The other processes cannot be reached.
        """
        self.fail(reason)
        with self._service():
            self._leave()

    @contextmanager
    def _service(self) -> Generator[None]:
        """Turns an error of the service into a PeerError."""
        try:
            yield
        except _ServiceError as error:
            raise PeerError(f"{self.purpose}: the run's other processes cannot be reached: {error}") from error

    def _wait_for_outcome(self, message: Json, decide: Decide) -> JsonDict:
        self.client.key_value_set(self._message_key(self.own), json.dumps(message))
        if self.client.key_value_increment(f"{self.place}/come", 1) == len(self.processes):
            outcome = self._settle({"decided": decide(self._read_messages())})
        else:
            outcome = self._read_outcome() or self._settle({"absent": self._find_absent()})
        if "decided" in outcome:
            self._leave()
        return outcome

    def _leave(self) -> None:
        """Counts this process as having left. The last one removes all keys of the rendezvous."""
        if self.client.key_value_increment(f"{self.place}/left", 1) == len(self.processes):
            self.client.key_value_delete(f"{self.place}/")

    def _settle(self, outcome: Mapping[str, Json]) -> JsonDict:
        """Leaves an outcome unless there is one already. Returns the one that counts."""
        text = json.dumps(outcome)
        try:
            self.client.key_value_set(self._outcome_key, text)
        except _ServiceError as error:
            if "ALREADY_EXISTS" not in str(error):
                raise
            text = self.client.key_value_try_get(self._outcome_key)
        return json.loads(text)

    def _read_outcome(self) -> JsonDict | None:
        """Waits for the outcome; None if no process leaves one in time."""
        now = time.monotonic()
        deadline, next_warning = now + self.timeout_seconds, now + self.warn_every_seconds
        while (remaining := deadline - now) > 0:
            try:
                milliseconds = max(1, round(min(remaining, next_warning - now, self.seconds_per_call) * 1000))
                return json.loads(self.client.blocking_key_value_get(self._outcome_key, milliseconds))
            except _ServiceError as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise
            now = time.monotonic()
            if next_warning <= now < deadline:
                LOGGER.warning("%s: waiting for process %s", self.purpose, ", ".join(map(str, self._find_absent())))
                next_warning = now + self.warn_every_seconds
        return None

    def _read_messages(self) -> dict[int, Any]:
        """Reads the messages left so far, by process, ascending."""
        found = self.client.key_value_dir_get(f"{self.place}/messages/")
        messages = {int(key.rsplit("/", 1)[1]): json.loads(value) for key, value in found}
        return {process: messages[process] for process in self.processes if process in messages}

    def _find_absent(self) -> list[int]:
        """Returns the processes that left no message.

        If all left one, the last of them could not decide. It is not known which one that is. So all processes except
        this one are returned.
        """
        came = self._read_messages()
        absent = [process for process in self.processes if process not in came]
        return absent or [process for process in self.processes if process != self.own]

    def _message_key(self, process: int) -> str:
        return f"{self.place}/messages/{process}"

    @property
    def _outcome_key(self) -> str:
        return f"{self.place}/outcome"
