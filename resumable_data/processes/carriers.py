"""The protocol of carriers, which carry facts from process to process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Protocol


class Carrier(Protocol):
    """A carrier, through which processes publish facts and find those of others.

    A fact is bytes with a key. Facts that are wanted together have a group, so that one read finds all of them. All
    methods may be called from several threads, and raise an error of this library where the carrier fails.
    """

    @property
    def lasting(self) -> bool:
        """Whether facts of an earlier run may still be there."""
        ...

    def publish(self, group: str, facts: Mapping[str, bytes]) -> None:
        """Publishes facts by key, and replaces those that are there."""
        ...

    def find(self, group: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Returns the wanted facts that are there now."""
        ...

    def wait(self, group: str, key: str, seconds: float, closing: Event) -> bytes | None:
        """Waits for a fact; returns None when the time is up, or soon after ``closing`` is set."""
        ...

    def forget(self, group: str, keys: Sequence[str]) -> None:
        """Deletes facts, if facts do not last. Missing facts do not matter."""
        ...
