"""Worker processes that load minibatches: started once a loader, and shared by all its passes."""

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
from threading import Thread, current_thread
from typing import Any, Generic, TypeVar

import jax

from resumable_data.arrays import Int64Array
from resumable_data.compat import manager_of, workers_of
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.interfaces.loaders.order import PassOrder
from resumable_data.interfaces.loaders.protocols import MapDatasetProtocol

BatchT = TypeVar("BatchT")
Collate = Callable[[list[Any]], Any]

_AHEAD_OF_EACH = 2
_SECONDS_TO_END = 5.0


class Workers(Generic[BatchT]):
    """Processes that have the data set, and load a minibatch each.

    Each pass hands out a few minibatches ahead, and takes them in order. What a pass that is left had handed out is
    cancelled, so no other pass hears of it.

    Args:
        dataset: The samples.
        collate: From samples to a minibatch.
        count: Number of processes.

    Raises:
        PipelineError: The data set, or what collates, cannot be sent to another process.
    """

    def __init__(self, dataset: MapDatasetProtocol[Any], collate: Collate, count: int) -> None:
        try:
            self._payload = pickle.dumps((dataset, collate))
        except Exception as error:
            raise PipelineError(
                f"DataLoader: the data set and collate_fn are sent to worker processes, but pickle cannot: {error}. "
                "Define them in a module, with def and class, or set num_workers=0"
            ) from error
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._end: Callable[[], object] = lambda: None

    def load(self, order: PassOrder, step: int) -> Iterator[BatchT]:
        """The minibatches of a pass from one on.

        Raises:
            RecordError: A minibatch cannot be loaded; its cause has the traceback of the worker.
            SourceError: A worker was killed or could not start, or ``close()`` ended it during the pass.
        """
        pool = self._running()
        waiting = deque[tuple[int, Future[BatchT]]]()
        following = iter(range(step, order.count))
        try:
            while True:
                if self._pool is not pool:
                    raise _ended()
                while (
                    len(waiting) < _AHEAD_OF_EACH * self._count and (minibatch := next(following, None)) is not None
                ):
                    waiting.append((minibatch, pool.submit(_load_minibatch, order.samples_of(minibatch))))
                if not waiting:
                    return
                minibatch, future = waiting.popleft()
                try:
                    loaded = future.result()
                except BrokenProcessPool:
                    raise
                except CancelledError as error:
                    raise _ended() from error
                except Exception as error:
                    raise cannot_load(minibatch, order.samples_of(minibatch), error) from error
                yield loaded
        except BrokenProcessPool as error:
            # Another pass may have seen it first, and have workers again: those stay.
            if self._pool is pool:
                self.close()
            raise SourceError(
                "DataLoader: a worker process was killed, most often since memory was short, or could not start. "
                "Ask for the next minibatch to start workers anew, or use fewer of them. If none ever starts: a "
                'script needs `if __name__ == "__main__":` before what it runs'
            ) from error
        finally:
            for _, future in waiting:
                future.cancel()

    def close(self) -> None:
        """Ends the processes; a later pass starts others."""
        self._end()
        self._pool = None

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._count, multiprocessing.get_context("spawn"), _begin, (self._payload,)
            )
            # Nothing of the pool knows of this object, so that dropping it ends the processes.
            self._end = weakref.finalize(self, _shut_down, self._pool)
        return self._pool


def load_here(dataset: MapDatasetProtocol[Any], collate: Collate, order: PassOrder, step: int) -> Iterator[Any]:
    """The minibatches of a pass from one on, loaded in this process.

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
    """What is raised where the data set or what collates fails."""
    shown = ", ".join(map(str, samples[:8].tolist())) + (" …" if len(samples) > 8 else "")
    return RecordError(f"minibatch {minibatch} (samples {shown}) cannot be loaded: {type(error).__name__}: {error}")


def _ended() -> SourceError:
    return SourceError(
        "DataLoader: the workers of this pass have ended: close() was called, or one was killed during another pass. "
        "Ask for the next minibatch to go on with new ones"
    )


def _shut_down(pool: ProcessPoolExecutor) -> None:
    """Ends the processes; one whose sample does not come is killed after a while."""
    processes, manager = workers_of(pool), manager_of(pool)
    pool.shutdown(wait=False, cancel_futures=True)
    until = time.monotonic() + _SECONDS_TO_END
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()
    # The garbage collector may run this in any thread.
    if manager is not None and manager is not current_thread():
        manager.join(_SECONDS_TO_END)


_payload = b""
_loaded: list[Any] = []


def _begin(payload: bytes) -> None:
    """Runs first in each worker. What it cannot unpickle shows with the first minibatch, as an error."""
    global _payload
    _payload = payload
    # A Ctrl-C is for the process that trains, which then ends the workers; and accelerators are for it alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jax.config.update("jax_platforms", "cpu")
    Thread(target=_end_with_parent, name="resumable_data parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this worker where the process that trains was killed, and so could not end it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _load_minibatch(samples: Int64Array) -> Any:
    try:
        if not _loaded:
            _loaded.extend(pickle.loads(_payload))
        dataset, collate = _loaded
        return collate([dataset[sample] for sample in samples])
    except Exception as error:
        if _arrives(error):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _arrives(error: Exception) -> bool:
    """Whether an error can be sent: one that cannot be unpickled would take all workers with it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True
