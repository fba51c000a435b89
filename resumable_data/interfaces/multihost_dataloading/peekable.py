"""An iterator whose next element can be looked at without moving."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resumable_data.errors import StateError
from resumable_data.iteration.iterator import DataIterator
from resumable_data.opaque import Element

ElementT = TypeVar("ElementT")


@dataclass(frozen=True)
class _Held(Generic[ElementT]):
    """An element that was looked at and not yet taken.

    Attributes:
        element: The element.
        state: The iterator's state before this element; None if it has no state.
        step: The iterator's step before this element; None if it does not count steps.
    """

    element: ElementT
    state: Any
    step: int | None


class Peekable(Generic[ElementT]):
    """An iterator whose next element can be looked at before it is taken.

    Until the element is taken, state and step are those before it. The end is remembered: the iterator is not
    asked again.

    Args:
        iterator: The iterator. Nothing else may take elements from it.
        peek: The iterator's own method to look, if it has one that does not change its state and step.

    >>> numbers = Peekable(iter([1, 2]))
    >>> numbers.look(), numbers.look()
    (1, 1)
    >>> numbers.take()
    >>> numbers.look()
    2
    """

    def __init__(self, iterator: Iterator[ElementT], peek: Callable[[], ElementT] | None = None) -> None:
        self.iterator: Any = iterator
        self._peek = peek
        self._held: _Held[ElementT] | None = None
        self._ended = False

    def look(self) -> ElementT:
        """Returns the next element, the same one until it is taken.

        Raises:
            StopIteration: There is no further element.
        """
        if self._ended:
            raise StopIteration
        try:
            if self._peek is not None:
                return self._peek()
            if self._held is None:
                state, step = (self._copy_state() if self.has_state else None), self._own_step
                self._held = _Held(next(self.iterator), state, step)
        except StopIteration:
            self._ended = True
            raise
        return self._held.element

    def take(self) -> None:
        """Moves past the element that was looked at."""
        if self._peek is not None:
            next(self.iterator)
        self._held = None

    @property
    def has_state(self) -> bool:
        """Whether the iterator has ``get_state`` and ``set_state``."""
        return hasattr(self.iterator, "get_state") and hasattr(self.iterator, "set_state")

    @property
    def step(self) -> int | None:
        """The iterator's step; None if it does not count steps."""
        return self._own_step if self._held is None else self._held.step

    def get_state(self) -> Any:
        """Returns the iterator's state.

        Raises:
            StateError: The iterator has no state.
        """
        self._check_has_state("get_state")
        return self._copy_state() if self._held is None else copy.deepcopy(self._held.state)

    def check_state(self, state: Any, allow: Collection[str] = ()) -> Callable[[], None]:
        """Checks a state if the iterator can do so without moving; returns a function that goes there.

        If the iterator has no ``check_state``, that function may still fail. Then the iterator does not move.

        Args:
            state: The result of ``get_state``.
            allow: Passed on to the iterator if it is not empty.

        Raises:
            StateError: The iterator has no state, or does not take ``allow``.
        """
        self._check_has_state("set_state")
        checks = hasattr(self.iterator, "check_state")
        method = self.iterator.check_state if checks else self.iterator.set_state
        if allow and "allow" not in inspect.signature(method).parameters:
            raise StateError(f"{self.name} takes no allow=, but got {sorted(allow)}: leave allow out")
        given = (state, allow) if allow else (state,)
        move = method(*given) if checks else None

        def apply() -> None:
            if move is None:
                self._set_or_stay(given)
            else:
                move()
            self._held, self._ended = None, False

        return apply

    def close(self) -> None:
        """Closes the iterator, if it has ``close``."""
        if hasattr(self.iterator, "close"):
            self.iterator.close()

    def _set_or_stay(self, given: tuple[Any, ...]) -> None:
        before = self._copy_state()
        try:
            self.iterator.set_state(*given)
        except BaseException:
            self.iterator.set_state(before)
            raise

    def _copy_state(self) -> Any:
        # Some iterators return the very object that they change later.
        return copy.deepcopy(self.iterator.get_state())

    @property
    def _own_step(self) -> int | None:
        return getattr(self.iterator, "step", None)

    @property
    def name(self) -> str:
        """The full name of the iterator's class, for errors."""
        return f"{type(self.iterator).__module__}.{type(self.iterator).__qualname__}"

    def _check_has_state(self, method: str) -> None:
        if not self.has_state:
            raise StateError(
                f"{self.name} has no get_state and set_state, so its position would be lost ({method}): give a data "
                "loader that has them, such as a resumable_data or Grain dataset"
            )


def as_peekable(iterator: Iterator[Element]) -> Peekable[Element]:
    """Makes an iterator peekable. A ``DataIterator`` is looked at with its own ``peek``."""
    return Peekable(iterator, iterator.peek if isinstance(iterator, DataIterator) else None)
