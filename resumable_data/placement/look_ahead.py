"""Looking at an iterator's next element without moving its position."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resumable_data.errors import StateError

ElementT = TypeVar("ElementT")


@dataclass(frozen=True)
class _Held(Generic[ElementT]):
    """An element that was looked at.

    Attributes:
        element: What the iterator gave.
        before: The iterator's state in front of it, if it has one.
        step: The iterator's step in front of it, if it counts them.
    """

    element: ElementT
    before: Any
    step: int | None


class LookAhead(Generic[ElementT]):
    """Any iterator, with a next element that can be looked at before it is taken.

    State and step are those in front of the element looked at. An end is remembered, and the iterator is not asked
    again.

    Args:
        iterator: What is iterated over; nobody else may advance it.
        peek: The iterator's own way to look, where it has one that leaves its state and step alone.
    """

    def __init__(self, iterator: Iterator[ElementT], peek: Callable[[], ElementT] | None = None) -> None:
        self.iterator: Any = iterator
        self._peek = peek
        self._held: _Held[ElementT] | None = None
        self._ended = False

    def look(self) -> ElementT:
        """The next element; again the same until it is taken.

        Raises:
            StopIteration: There is none.
        """
        if self._ended:
            raise StopIteration
        try:
            if self._peek is not None:
                return self._peek()
            if self._held is None:
                before, step = (self._state() if self.has_state else None), self._own_step
                self._held = _Held(next(self.iterator), before, step)
        except StopIteration:
            self._ended = True
            raise
        return self._held.element

    def take(self) -> None:
        """Moves behind the element that was looked at."""
        if self._peek is not None:
            next(self.iterator)
        self._held = None

    @property
    def has_state(self) -> bool:
        """Whether the iterator's position can be taken and set."""
        return hasattr(self.iterator, "get_state") and hasattr(self.iterator, "set_state")

    @property
    def step(self) -> int | None:
        """The iterator's step, or None if it counts none."""
        return self._own_step if self._held is None else self._held.step

    def get_state(self) -> Any:
        """The iterator's state.

        Raises:
            StateError: It has none.
        """
        self._check_has_state("get_state")
        return self._state() if self._held is None else copy.deepcopy(self._held.before)

    def check_state(self, state: Any, allow: Collection[str] = ()) -> Callable[[], None]:
        """Checks a state, as far as the iterator can without going there; returns what goes there.

        Of an iterator that cannot check, what is returned may still fail, and then leaves it where it was.

        Args:
            state: What its ``get_state`` gave.
            allow: Passed on to the iterator if not empty.

        Raises:
            StateError: The iterator has no state, or takes no ``allow``.
        """
        self._check_has_state("set_state")
        checks = hasattr(self.iterator, "check_state")
        method = self.iterator.check_state if checks else self.iterator.set_state
        if allow and "allow" not in inspect.signature(method).parameters:
            raise StateError(f"{self.name} takes no allow=, but got {sorted(allow)}")
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
        """Closes the iterator, if that is possible."""
        if hasattr(self.iterator, "close"):
            self.iterator.close()

    def _set_or_stay(self, given: tuple[Any, ...]) -> None:
        before = self._state()
        try:
            self.iterator.set_state(*given)
        except BaseException:
            self.iterator.set_state(before)
            raise

    def _state(self) -> Any:
        # Some iterators hand out the state that they go on to change.
        return copy.deepcopy(self.iterator.get_state())

    @property
    def _own_step(self) -> int | None:
        return getattr(self.iterator, "step", None)

    @property
    def name(self) -> str:
        """What kind of iterator it is."""
        return f"{type(self.iterator).__module__}.{type(self.iterator).__qualname__}"

    def _check_has_state(self, method: str) -> None:
        if not self.has_state:
            raise StateError(
                f"{self.name} has no get_state and set_state, so its position would be lost ({method}): iterate over "
                "something that has, such as a resumable_data or Grain dataset"
            )
