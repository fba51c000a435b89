"""An iterator that a thread runs a bounded number of elements ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from threading import Condition, Thread
from typing import Generic, Self, TypeVar

from resumable_data.threads import join_all

ElementT = TypeVar("ElementT")


class BackgroundIterator(Generic[ElementT], Iterator[ElementT]):
    """Elements of an iterator, produced by a thread that starts at ``start`` or at the first ``next``.

    An error of the iterator is raised where it occurred, after all elements before it.

    Args:
        elements: The iterator to run. Only the thread uses it.
        ahead: At most so many elements wait.
        within: Returns the context in which the thread runs.
    """

    def __init__(
        self,
        elements: Iterator[ElementT],
        ahead: int,
        within: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._elements = elements
        self._ahead = ahead
        self._within = within
        self._waiting: deque[ElementT] = deque()
        self._changed = Condition()
        self._ended: BaseException | None = None
        self._stopped = False
        self._thread: Thread | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ElementT:
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended is not None)
            if not self._waiting:
                assert self._ended is not None
                raise self._ended
            element = self._waiting.popleft()
            self._changed.notify_all()
            return element

    def __len__(self) -> int:
        """Returns the number of elements that wait."""
        return len(self._waiting)

    @property
    def thread(self) -> Thread | None:
        """The thread, once it is started."""
        return self._thread

    def start(self) -> None:
        """Starts the thread once. After ``stop`` it does not start, because nobody would wait for it."""
        with self._changed:
            if self._thread is None and not self._stopped:
                thread = Thread(target=self._produce, name="resumable_data prefetch", daemon=True)
                thread.start()
                self._thread = thread

    def stop(self) -> None:
        """Tells the thread to end, and drops the elements that wait."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._ended = self._ended or StopIteration()
            self._changed.notify_all()

    def close(self) -> None:
        """Stops the thread and waits for it."""
        self.stop()
        if self._thread is not None:
            join_all([self._thread])

    def _produce(self) -> None:
        try:
            with self._within():
                for element in self._elements:
                    if not self._put(element):
                        return
            ended: BaseException = StopIteration()
        except BaseException as error:
            ended = error
        with self._changed:
            self._ended = self._ended or ended
            self._changed.notify_all()

    def _put(self, element: ElementT) -> bool:
        """Adds an element when there is room. Returns False after a stop."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._ahead or self._stopped)
            if not self._stopped:
                self._waiting.append(element)
                self._changed.notify_all()
            return not self._stopped
