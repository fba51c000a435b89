"""The iterator over items that can start anywhere. Its state is the number of items delivered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence, Sized
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from resumable_data.edits import Edit
from resumable_data.errors import ClosedError, PipelineMismatchError
from resumable_data.interfaces.loaders.position import LoaderPosition
from resumable_data.interfaces.loaders.protocols import Startable
from resumable_data.opaque import JsonDict, JsonObject

ItemT = TypeVar("ItemT")


class LoaderIterator(Generic[ItemT]):
    """An iterator whose position can be saved and set.

    It is saved like a data iterator, with ``DataSave(iterator)``. Items loaded ahead are not part of the state.
    Close it, or use it as a context manager, to end its work early.

    Args:
        items: The items.
        step: The index of the first item to deliver.
    """

    edits: Sequence[Edit] = ()
    """Always empty: a loader cannot be changed during a run."""

    def __init__(self, items: Startable[ItemT], step: int = 0) -> None:
        self._items = items
        self._step = step
        self._running: Iterator[ItemT] | None = None
        self._closed = False

    @property
    def step(self) -> int:
        """Items delivered: the index of the next item."""
        return self._step

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ItemT:
        if self._closed:
            raise ClosedError("this iterator is closed")
        if self._running is None:
            self._running = self._items.start(self._step)
        try:
            item = next(self._running)
        except StopIteration:
            # The ended iterator is kept, so that the next call ends too.
            raise
        except BaseException:
            # The next call starts again at the position, which has not moved.
            self._stop()
            raise
        self._step += 1
        return item

    def description(self) -> JsonDict:
        """Returns the settings that decide the items, as JSON values."""
        return self._items.description()

    def start(self, step: int) -> Iterator[ItemT]:
        """Goes to an item, and returns itself: the iterator from there on."""
        if step != self._step:
            self._stop()
            self._step = step
        return self

    def get_state(self) -> JsonDict:
        """Returns the position after the last item delivered, as JSON values.

        Raises:
            StateError: The items come from an iterable that cannot start anywhere.
        """
        return LoaderPosition(self.description(), self._step).to_json()

    def set_state(self, state: JsonObject, allow: Collection[str] = ()) -> None:
        """Goes to a saved position, or raises and does not move. It does not load the items before the position.

        Raises:
            StateError: The state is damaged or of another version.
            PipelineMismatchError: It belongs to another loader, or ``allow`` is not empty.
        """
        self.check_state(state, allow)()

    def check_state(self, state: JsonObject, allow: Collection[str] = ()) -> Callable[[], None]:
        """Checks a saved position, and returns a function that goes there.

        Raises:
            StateError: The state is damaged or of another version.
            PipelineMismatchError: It belongs to another loader, or ``allow`` is not empty.
        """
        if allow:
            raise PipelineMismatchError(f"a loader cannot be changed, but allow={sorted(allow)}: leave allow out", ())
        position = LoaderPosition.from_json(state)
        position.check(self.description(), _count(self._items))

        def go() -> None:
            self.start(position.step)

        return go

    def close(self) -> None:
        """Ends loading ahead. ``get_state`` still works."""
        self._closed = True
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stop(self) -> None:
        running, self._running = self._running, None
        close = getattr(running, "close", None)
        # An iterator that users gave is theirs to close.
        if close is not None and not isinstance(running, LoaderIterator):
            close()


def _count(items: object) -> int | None:
    return len(cast(Sized, items)) if hasattr(items, "__len__") else None
