"""JAX's real coordination service. All its processes are threads of one test process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

# JAX has no public name for the service; processes/rendezvous.py says why it is used.
from jax._src.lib import _jax

import resumable_data as rd
from resumable_data.placement.process_rows_view import ProcessRows
from resumable_data.processes import agreement
from resumable_data.processes.rendezvous import Rendezvous

TIMEOUT = 30.0


@contextmanager
def clients_of(count: int) -> Iterator[list[Any]]:
    """Makes the clients of a number of processes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    service = _jax.get_distributed_runtime_service(address, count)
    made = [_jax.get_distributed_runtime_client(address, process) for process in range(count)]
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(lambda client: client.connect(), made))
        yield made
        list(threads.map(lambda client: client.shutdown(), made))
    service.shutdown()


def outcomes(actions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Returns the result or the error of each action. Each has a thread of its own."""

    def outcome(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(outcome, actions))


class ThreadedRun:
    """Threads in place of the processes of one run. Their process index is patched; the service is real.

    Args:
        clients: The clients of the service.
        monkeypatch: Undoes the patches at its end.
    """

    def __init__(self, clients: Sequence[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self._clients = clients
        self._runs = 0
        self._own = threading.local()

        def here(purpose: str, processes: tuple[int, ...], place: str, timeout_seconds: float) -> Rendezvous:
            return Rendezvous(purpose, processes, place, TIMEOUT, self._own.index, clients[self._own.index])

        def next_place(purpose: str, processes: Sequence[int]) -> str:
            self._own.places += 1
            return f"{self._own.run}/{self._own.places}"

        monkeypatch.setattr(Rendezvous, "here", here)
        monkeypatch.setattr(agreement, "_next_place", next_place)

    def outcomes(self, count: int, action: Callable[[int], Any]) -> list[Any]:
        """Returns the result or the error of an action on each of several processes. It gets the index."""
        self._runs += 1

        def of_process(index: int) -> Any:
            self._own.index, self._own.run, self._own.places = index, f"run {self._runs}", 0
            return action(index)

        return outcomes([partial(of_process, index) for index in range(count)])

    def results(self, count: int, action: Callable[[int], Any]) -> list[Any]:
        """Returns the same, and allows no error."""
        found = self.outcomes(count, action)
        for outcome in found:
            if isinstance(outcome, Exception):
                raise outcome
        return found


@contextmanager
def threaded_run(count: int) -> Iterator[ThreadedRun]:
    """Makes a run of up to a number of processes."""
    with clients_of(count) as clients, pytest.MonkeyPatch.context() as monkeypatch:
        yield ThreadedRun(clients, monkeypatch)


def together(data: rd.BatchDataset[Any], index: int, count: int) -> rd.BatchDataset[Any]:
    """Makes the dataset of ``shard_by_jax_process`` in process ``index`` of ``count``."""
    view = ProcessRows(index, count, tuple(range(count)))
    return replace(data, node=replace(data.node, view=view))
