"""Worker processes that load minibatches. A loader starts them once, and all its passes share them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from threading import Thread, current_thread
from typing import Generic, TypeVar

import jax

from resumable_data.arrays import Int64Array
from resumable_data.compat import before_threads_end, manager_of, workers_of
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.interfaces.loaders.order import PassOrder
from resumable_data.interfaces.loaders.protocols import MapDatasetProtocol
from resumable_data.opaque import Element, PyTree, Record

BatchT = TypeVar("BatchT")
Collate = Callable[[list[Record]], PyTree]

_AHEAD_OF_EACH = 2
_SECONDS_TO_END = 5.0
_SECONDS_AT_EXIT = 1.0


_KILLED = (
    "DataLoader: a worker process was killed, most often since memory was short, or could not start. "
    "Take the next minibatch to start new workers, or use fewer. If no worker ever starts: a script "
    'needs `if __name__ == "__main__":` before the code that it runs'
)
_KILLED_BEFORE = (
    "DataLoader: the workers of this pass have ended: one was killed, and another pass has met that error. "
    "Take the next minibatch to go on with new workers"
)
_CLOSED = (
    "DataLoader: the workers of this pass have ended: close() was called. Take the next minibatch to go on with "
    "new workers"
)


@dataclass(eq=False)
class _Pool:
    """The processes of a loader, which all its passes share until they end.

    Attributes:
        executor: The processes.
        ended: Why they have ended, as a pass has to say that is still going on; empty while they live.
    """

    executor: ProcessPoolExecutor
    ended: str = ""


class Workers(Generic[BatchT]):
    """Processes that have the data set. Each loads one minibatch at a time.

    A pass asks for a few minibatches ahead, and takes them in order. If a loop leaves the pass, these requests are
    cancelled, so that they do not delay another pass.

    Args:
        dataset: The samples.
        collate: Makes a minibatch of samples.
        count: Number of processes.
        seconds_to_end: How long ``close`` waits for a minibatch that is being loaded.

    Raises:
        PipelineError: The data set or ``collate`` cannot be sent to another process.
    """

    def __init__(
        self,
        dataset: MapDatasetProtocol[Record],
        collate: Collate,
        count: int,
        seconds_to_end: float = _SECONDS_TO_END,
    ) -> None:
        try:
            self._payload = pickle.dumps((dataset, collate))
        except Exception as error:
            raise PipelineError(
                "DataLoader: the data set and collate_fn must be sent to worker processes, but pickle fails: "
                f"{error}. Define them in a module, with def and class, or set num_workers=0"
            ) from error
        self._count = count
        self._seconds_to_end = seconds_to_end
        self._pool: _Pool | None = None
        self._end: Callable[[], object] = lambda: None

    def load(self, order: PassOrder, step: int) -> Iterator[BatchT]:
        """Yields the minibatches of a pass from index ``step`` on.

        Raises:
            RecordError: A minibatch cannot be loaded; its cause has the traceback of the worker.
            SourceError: A worker was killed or could not start, or ``close()`` ended it during the pass.
        """
        pool = self._running()
        waiting = deque[tuple[int, Future[BatchT]]]()
        following = iter(range(step, order.count))
        try:
            while True:
                if pool.ended:
                    raise SourceError(pool.ended)
                while (
                    len(waiting) < _AHEAD_OF_EACH * self._count and (minibatch := next(following, None)) is not None
                ):
                    waiting.append((minibatch, self._submit(pool, order.samples_of(minibatch))))
                if not waiting:
                    return
                minibatch, future = waiting.popleft()
                try:
                    loaded = future.result()
                except (BrokenProcessPool, CancelledError) as error:
                    raise self._lost(pool) from error
                except Exception as error:
                    raise cannot_load(minibatch, order.samples_of(minibatch), error) from error
                yield loaded
        finally:
            for _, future in waiting:
                future.cancel()

    def close(self) -> None:
        """Ends the processes. A later pass starts new ones."""
        self._close(_CLOSED)

    def _close(self, reason: str) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.ended = reason
        self._end()

    def _running(self) -> _Pool:
        if self._pool is None:
            executor = ProcessPoolExecutor(
                self._count, multiprocessing.get_context("spawn"), _begin, (self._payload,)
            )
            # The pool holds no reference to this object, so that dropping the object ends the processes.
            self._end = weakref.finalize(self, _shut_down, [executor], self._seconds_to_end)
            _pools.add(executor)
            self._pool = _Pool(executor)
        return self._pool

    def _submit(self, pool: _Pool, samples: Int64Array) -> Future[BatchT]:
        try:
            return pool.executor.submit(_load_minibatch, samples)
        except RuntimeError as error:
            # It is broken, or another thread has just shut it down.
            raise self._lost(pool) from error

    def _lost(self, pool: _Pool) -> SourceError:
        """Makes the error of a pass whose workers have ended."""
        if pool.ended:
            return SourceError(pool.ended)
        # This pass is the first to see that one was killed.
        self._close(_KILLED_BEFORE)
        return SourceError(_KILLED)


def load_here(
    dataset: MapDatasetProtocol[Record], collate: Collate, order: PassOrder, step: int
) -> Iterator[Element]:
    """Yields the minibatches of a pass from index ``step`` on, loaded in this process.

    Raises:
        RecordError: A minibatch cannot be loaded.
    """
    for minibatch in range(step, order.count):
        samples = order.samples_of(minibatch)
        try:
            loaded = collate([dataset[sample] for sample in samples])
        except Exception as error:
            raise cannot_load(minibatch, samples, error) from error
        yield loaded


def cannot_load(minibatch: int, samples: Int64Array, error: Exception) -> RecordError:
    """Makes the error for a minibatch whose data set or ``collate`` fails."""
    shown = ", ".join(map(str, samples[:8].tolist())) + (" …" if len(samples) > 8 else "")
    return RecordError(f"minibatch {minibatch} (samples {shown}) cannot be loaded: {type(error).__name__}: {error}")


def _shut_down(pools: list[ProcessPoolExecutor], seconds: float) -> None:
    """Ends the processes of pools. Kills those that are still loading after some seconds."""
    processes = [process for pool in pools for process in workers_of(pool)]
    managers = [manager_of(pool) for pool in pools]
    for pool in pools:
        pool.shutdown(wait=False, cancel_futures=True)
    until = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    for manager in managers:
        # The garbage collector may run this in any thread.
        if manager is not None and manager is not current_thread():
            manager.join(_SECONDS_TO_END)


_pools = weakref.WeakSet[ProcessPoolExecutor]()


def _end_at_exit() -> None:
    """Ends the workers of loaders that a script did not close."""
    _shut_down(list(_pools), _SECONDS_AT_EXIT)


# concurrent.futures waits for its workers when the interpreter ends, also for one that is stuck.
before_threads_end(_end_at_exit)
# A process that was forked from this one does not own its workers.
os.register_at_fork(after_in_child=_pools.clear)


_payload = b""
_loaded: list[Record] = []


def _begin(payload: bytes) -> None:
    """Prepares a worker. The first minibatch unpickles the data set, so that an error there reaches the loader."""
    global _payload
    _payload = payload
    # Ctrl-C is for the process that trains, which then ends the workers. Accelerators are only for that process too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jax.config.update("jax_platforms", "cpu")
    Thread(target=_end_with_parent, name="resumable_data parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this worker if the process that trains was killed, and so could not end it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _load_minibatch(samples: Int64Array) -> PyTree:
    try:
        if not _loaded:
            _loaded.extend(pickle.loads(_payload))
        dataset, collate = _loaded
        return collate([dataset[sample] for sample in samples])
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, _OF_THE_POOL) and _arrives(error):
            raise
        # In the process that trains, a SystemExit would end it, and a KeyboardInterrupt would look like the user's.
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


# Raised by a data set, they would say that a worker was killed, or that this loader was closed.
_OF_THE_POOL = (BrokenProcessPool, CancelledError)


def _arrives(error: Exception) -> bool:
    """Says whether an error can be sent: one that cannot be unpickled would break the whole pool."""
    try:
        pickle.loads(pickle.dumps(error))
    except BaseException:
        return False
    return True
