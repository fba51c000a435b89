"""The processes that save or restore one item together: which one writes, and whether all have the same position."""

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
    read_part,
    read_state,
    remove_parts,
    texts_of,
    to_text,
    write,
    write_part,
)
from resumable_data.checkpoint.parts import is_part, join, part_of
from resumable_data.errors import StateError
from resumable_data.processes.agreement import TIMEOUT_SECONDS, PositionReport, agree, report_of, report_of_failure
from resumable_data.state import FORMAT, State, split


class MultiprocessingOptions(Protocol):
    """The options of this name in both of Orbax's APIs."""

    @property
    def primary_host(self) -> int | None:
        """The process that writes; None if each process writes to a disk of its own."""
        ...

    @property
    def active_processes(self) -> Collection[int] | None:
        """The processes that take part; None for all."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """A position that is about to be saved.

    Attributes:
        state: The position.
        texts: Its files by name.
        failure: The error because of which there is no position to save; None if there is one.
    """

    state: State
    texts: Texts
    failure: Exception | None = None


@dataclass(frozen=True)
class Group:
    """The processes that save and restore together.

    Attributes:
        processes: Their indices, ascending.
        primary_host: The process that writes; None if each process writes to a disk of its own.
        timeout_seconds: How long they wait for each other.
    """

    processes: tuple[int, ...]
    primary_host: int | None
    timeout_seconds: float = TIMEOUT_SECONDS

    @classmethod
    def of(cls, options: MultiprocessingOptions, timeout_seconds: float = TIMEOUT_SECONDS) -> Group:
        """Makes the group that Orbax's options name."""
        active = range(jax.process_count()) if options.active_processes is None else options.active_processes
        return cls(tuple(sorted(active)), options.primary_host, timeout_seconds)

    def snapshot(self, item: SavedIterator, expect_step: int | None) -> Snapshot:
        """Takes the current position.

        Raises:
            StateError: The iterator is not at the expected step.
        """
        try:
            state = item.get_state()
            if state.get("format") == FORMAT:
                split(state)  # A state that could not be restored must not be saved.
            return Snapshot(state, texts_of(item, state, expect_step))
        except Exception as error:
            # If one process alone stopped here, the others would wait for it in Orbax's collectives.
            if len(self.processes) < 2:
                raise
            return Snapshot({}, {}, error)

    def save(self, directory: epath.Path, snapshot: Snapshot) -> None:
        """Writes a position if this process writes, and waits until all processes are ready.

        Usually every process plans all rows. Then all have the same position, and one of them writes it. If each has
        a part of the position, each writes its part, and one joins them. The processes compare their positions. So
        an item is not committed if a process leaves it out, or saves it at another step.

        Raises:
            StateError: A file cannot be written, or the iterator is not at the expected step.
            PipelineMismatchError: The processes are at different positions.
            PeerError: Another process failed, or leaves the item out.
        """
        try:
            in_parts = self._write(directory, snapshot)
            report = report_of(snapshot.state)
        except Exception as error:
            self._agree(_saving(directory), report_of_failure(error))
            raise
        self._agree(_saving(directory), report)
        if in_parts:
            self._join_parts(directory, snapshot, report)

    def _write(self, directory: epath.Path, snapshot: Snapshot) -> bool:
        """Writes the files of this process; returns whether they are a part of the whole."""
        if snapshot.failure is not None:
            raise snapshot.failure
        if self.primary_host is not None and len(self.processes) > 1 and is_part(snapshot.state):
            write_part(directory, jax.process_index(), snapshot.texts)
            return True
        if multihost.is_primary_host(self.primary_host):
            write(directory, snapshot.texts)
            check_complete(directory)
        return False

    def _join_parts(self, directory: epath.Path, snapshot: Snapshot, report: PositionReport) -> None:
        """Joins the parts of all processes in one file, so that a restore on any number of them opens one file."""
        try:
            if multihost.is_primary_host(self.primary_host):
                state = join([read_part(directory, process) for process in self.processes])
                write(directory, {**snapshot.texts, STATE_FILE: to_text(state)})
                check_complete(directory)
                remove_parts(directory, self.processes)
        except Exception as error:
            self._agree(_joining(directory), report_of_failure(error))
            raise
        self._agree(_joining(directory), report)

    def restore(self, directory: epath.Path, item: SavedIterator, allow: Collection[str]) -> Callable[[], None]:
        """Reads and checks a position on all processes; returns a function that goes there.

        If this raises, no iterator has moved on any process: all report what they found before one of them goes on.

        Raises:
            StateError: The item is incomplete or damaged.
            PipelineMismatchError: The position belongs to another pipeline or to other data, or the processes differ.
            PeerError: Another process cannot restore, or does not come.
        """
        try:
            place = self.processes.index(jax.process_index())
            state = part_of(read_state(directory), place, len(self.processes))
            apply = _checked(directory, item, state, allow)
            report = report_of(state)
        except Exception as error:
            self._agree(_restoring(directory), report_of_failure(error))
            raise
        self._agree(_restoring(directory), report)
        return apply

    def _agree(self, purpose: str, report: PositionReport) -> None:
        agree(purpose, self.processes, report, self.timeout_seconds)


def _saving(directory: epath.Path) -> str:
    return f"saving {label_of(directory)}"


def _joining(directory: epath.Path) -> str:
    return f"joining {label_of(directory)}"


def _restoring(directory: epath.Path) -> str:
    return f"restoring {label_of(directory)}"


def _checked(directory: epath.Path, item: SavedIterator, state: State, allow: Collection[str]) -> Callable[[], None]:
    if not isinstance(item, Checking):
        return lambda: item.set_state(state, allow)
    try:
        return item.check_state(state, allow)
    except StateError as error:
        raise StateError(f"{error} ({directory / STATE_FILE})") from error
