"""The processes that save or restore one item together: who writes, and that all of them mean the same."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import jax
from etils import epath
from orbax.checkpoint import multihost

from resumable_data.checkpoint.files import (
    STATE_FILE,
    Checking,
    SavedIterator,
    Texts,
    check_complete,
    label_of,
    read_state,
    texts_of,
    write,
)
from resumable_data.errors import StateError
from resumable_data.placement.agreement import TIMEOUT_SECONDS, Claim, agree, claim_of, failure_of
from resumable_data.state import FORMAT, State, split


class MultiprocessingOptions(Protocol):
    """What both of Orbax's APIs call so."""

    @property
    def primary_host(self) -> int | None:
        """The process that writes, or None where each has a disk of its own."""
        ...

    @property
    def active_processes(self) -> Collection[int] | None:
        """The processes that take part, or None for all."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """A position that is about to be saved.

    Attributes:
        state: The position.
        texts: Its files by name.
        failure: Why there is no position to save, or None.
    """

    state: State
    texts: Texts
    failure: Exception | None = None


@dataclass(frozen=True)
class Group:
    """The processes that save and restore together.

    Attributes:
        processes: They, ascending.
        primary_host: The one that writes, or None if each writes, to a disk of its own.
        timeout_seconds: How long they wait for each other.
    """

    processes: tuple[int, ...]
    primary_host: int | None
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def of(cls, options: MultiprocessingOptions, timeout_seconds: float = TIMEOUT_SECONDS) -> Group:
        """The group that Orbax's options name."""
        active = range(jax.process_count()) if options.active_processes is None else options.active_processes
        return cls(tuple(sorted(active)), options.primary_host, timeout_seconds)

    def snapshot(self, item: SavedIterator, expect_step: int | None) -> Snapshot:
        """The present position.

        Raises:
            StateError: The iterator is at another step than is expected.
        """
        try:
            # Every process plans all rows, so that all have the same position and one of them writes it.
            state = item.get_state()
            return Snapshot(state, texts_of(item, state, expect_step))
        except Exception as error:
            # One process that stops here alone would leave the others in Orbax's collectives, out of step with it.
            if len(self.processes) < 2:
                raise
            return Snapshot({}, {}, error)

    def save(self, directory: epath.Path, snapshot: Snapshot) -> None:
        """Writes a position, if this process is one that writes, and waits until all have done their part.

        The processes compare positions, so that an item which one of them leaves out, or saves at another step, is
        not committed.

        Raises:
            StateError: A file cannot be written, or the iterator is at another step than is expected.
            PipelineMismatchError: The processes are at different positions.
            PeerError: Another process failed, or leaves the item out.
        """
        try:
            self._write(directory, snapshot)
            claim = claim_of(snapshot.state)
        except Exception as error:
            self._agree(_saving(directory), failure_of(error))
            raise
        self._agree(_saving(directory), claim)

    def _write(self, directory: epath.Path, snapshot: Snapshot) -> None:
        if snapshot.failure is not None:
            raise snapshot.failure
        if self.primary_host is not None and len(self.processes) > 1 and _has_gaps(snapshot.state):
            raise StateError(
                "the state holds the logical shards of this process alone, and process "
                f"{self.primary_host} cannot write those of the others: save with primary_host=None, "
                "where every process has a directory of its own"
            )
        if multihost.is_primary_host(self.primary_host):
            write(directory, snapshot.texts)
            check_complete(directory)

    def restore(self, directory: epath.Path, item: SavedIterator, allow: Collection[str]) -> Callable[[], None]:
        """Reads and checks a position on all processes; returns what goes there.

        Nothing has moved when this raises, on any process: each says what it found before one of them goes on.

        Raises:
            StateError: The item is incomplete or damaged.
            PipelineMismatchError: The position is of another pipeline or other data, or the processes differ.
            PeerError: Another process cannot restore, or does not.
        """
        try:
            state = read_state(directory)
            apply = _checked(directory, item, state, allow)
            claim = claim_of(state)
        except Exception as error:
            self._agree(_restoring(directory), failure_of(error))
            raise
        self._agree(_restoring(directory), claim)
        return apply

    def _agree(self, purpose: str, claim: Claim) -> None:
        agree(purpose, self.processes, claim, self.timeout_seconds)


def _saving(directory: epath.Path) -> str:
    return f"saving {label_of(directory)}"


def _restoring(directory: epath.Path) -> str:
    return f"restoring {label_of(directory)}"


def _has_gaps(state: State) -> bool:
    """Whether logical shards are missing, which other processes run."""
    return state.get("format") == FORMAT and any(None in shards for shards in split(state)[1].at.values())


def _checked(directory: epath.Path, item: SavedIterator, state: State, allow: Collection[str]) -> Callable[[], None]:
    if not isinstance(item, Checking):
        return lambda: item.set_state(state, allow)
    try:
        return item.check_state(state, allow)
    except StateError as error:
        raise StateError(f"{error} ({directory / STATE_FILE})") from error
