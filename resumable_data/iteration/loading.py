"""Loads elements from the place of an iterator on, in its thread or ahead of it."""

from __future__ import annotations

from typing import Generic, TypeVar

from resumable_data.iteration.load_ahead import Loaded, LoadedAhead
from resumable_data.iteration.meter import Meter
from resumable_data.iteration.place import Place

ElementT = TypeVar("ElementT")


class Loading(Generic[ElementT]):
    """Loads from a place on until ``drop``. Its length is the number of loaded elements that wait.

    Args:
        prefetch: Elements that threads keep ready, or 0 to load in the calling thread.
        meter: Counts the elements that were not ready when they were asked for.
    """

    def __init__(self, prefetch: int, meter: Meter) -> None:
        self._prefetch = prefetch
        self._meter = meter
        self._loaded: LoadedAhead[ElementT] | None = None

    def __len__(self) -> int:
        loaded = self._loaded
        return 0 if loaded is None else len(loaded)

    @property
    def begun(self) -> bool:
        """Whether something was loaded since the last drop."""
        return self._loaded is not None

    def start(self, place: Place[ElementT]) -> None:
        """Starts the threads that load from a place on, if prefetch is on."""
        if self._prefetch:
            self._from(place).start()

    def take(self, place: Place[ElementT]) -> Loaded[ElementT] | None:
        """Takes the next element; None at the end.

        Args:
            place: The place after the last element that was taken.
        """
        loaded = self._from(place)
        if self._prefetch and not len(loaded):
            self._meter.miss()
        return next(loaded, None)

    def drop(self) -> None:
        """Ends the threads, and drops loaded elements."""
        # Dropped first: Ctrl-C while close waits must not leave a state that looks like the end of the data.
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.close()

    def _from(self, place: Place[ElementT]) -> LoadedAhead[ElementT]:
        if self._loaded is None:
            engine = place.opened.engine
            self._loaded = LoadedAhead(engine, place.cursor, place.step, self._prefetch, self._meter.clocks)
        return self._loaded
