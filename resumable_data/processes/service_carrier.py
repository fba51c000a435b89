"""Facts at the coordination service that the processes of a JAX run share."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

# JAX offers no public name for its coordination service. Unlike a collective on the devices, it has time-outs.
from resumable_data.compat import CoordinationClient, coordination_client, service_error
from resumable_data.errors import PeerError

# During a call of the service, Python handles no signal, and no other thread can end the wait.
_SECONDS_PER_CALL = 1.0
# For this many keys or more, one read of the whole group is cheaper than a call for each key.
_MANY = 3

_ServiceError = service_error()


@dataclass(frozen=True)
class ServiceCarrier:
    """Carries facts for as long as the run lasts.

    Attributes:
        client: JAX's client of the service.
        place: The prefix of the keys of all facts.
    """

    client: CoordinationClient
    place: str = "resumable_data/facts"

    @classmethod
    def here(cls) -> ServiceCarrier:
        """Makes a carrier through the service of this run.

        Raises:
            RuntimeError: ``jax.distributed.initialize`` was not called.
        """
        return cls(coordination_client())

    @property
    def lasting(self) -> bool:
        """False: the service ends with the run."""
        return False

    def publish(self, group: str, facts: Mapping[str, bytes]) -> None:
        """Publishes facts by key, and replaces those that are there.

        Raises:
            PeerError: The service cannot be reached.
        """
        with _service():
            for key, fact in facts.items():
                self.client.key_value_set_bytes(self._at(group, key), fact, allow_overwrite=True)

    def find(self, group: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Returns those of the wanted facts that are there now.

        Raises:
            PeerError: The service cannot be reached.
        """
        with _service():
            if len(keys) < _MANY:
                found = {key: self._try_get(group, key) for key in keys}
                return {key: fact for key, fact in found.items() if fact is not None}
            wanted = {self._at(group, key): key for key in keys}
            there = self.client.key_value_dir_get_bytes(self._at(group, ""))
            return {wanted[place]: fact for place, fact in there if place in wanted}

    def wait(self, group: str, key: str, seconds: float, closing: Event) -> bytes | None:
        """Waits for a fact and returns it; None when the time is up, or within a second after ``closing`` is set.

        Raises:
            PeerError: The service cannot be reached.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not closing.is_set():
            with _service():
                try:
                    milliseconds = max(1, round(min(left, _SECONDS_PER_CALL) * 1000))
                    return self.client.blocking_key_value_get_bytes(self._at(group, key), milliseconds)
                except _ServiceError as error:
                    if "DEADLINE_EXCEEDED" not in str(error):
                        raise
        return None

    def forget(self, group: str, keys: Sequence[str]) -> None:
        """Deletes facts. Missing facts do not matter.

        Raises:
            PeerError: The service cannot be reached.
        """
        with _service():
            for key in keys:
                self.client.key_value_delete(self._at(group, key))

    def _try_get(self, group: str, key: str) -> bytes | None:
        try:
            return self.client.key_value_try_get_bytes(self._at(group, key))
        except _ServiceError as error:
            if "NOT_FOUND" not in str(error):
                raise
            return None

    def _at(self, group: str, key: str) -> str:
        return f"{self.place}/{group}/{key}"


@contextmanager
def _service() -> Generator[None]:
    """Turns an error of the service into a PeerError."""
    try:
        yield
    except _ServiceError as error:
        raise PeerError(
            f"the lengths of documents cannot be exchanged: the run's other processes cannot be reached: {error}"
        ) from error
