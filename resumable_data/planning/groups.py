"""The bounds of groups of packing windows: in the epochs of a component, or in documents without epochs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from typing_extensions import override

from resumable_data.errors import PipelineMismatchError, StateError
from resumable_data.order.windows import EpochWindows, Take, cut_evenly, documents_at
from resumable_data.packing.plan import DocumentPlan
from resumable_data.planning.documents import DocumentStream, StreamCursor
from resumable_data.planning.integers import EPOCH_WINDOW, named_integers
from resumable_data.planning.planner import Counts, DocumentPlanner, Extent, Saved
from resumable_data.state import At

AtT = TypeVar("AtT")


@dataclass(frozen=True, eq=False)
class DocumentTake(Generic[AtT]):
    """Windows of documents that are measured together.

    Attributes:
        windows: Their documents.
        shards: The logical shard of each window.
        after: The place after them.
    """

    windows: Sequence[DocumentPlan]
    shards: Sequence[int]
    after: AtT


class DocumentGroups(Protocol[AtT]):
    """Documents as groups of windows. ``at`` is the place where a group begins. Nothing is kept between calls."""

    @property
    def shards(self) -> int:
        """The number of logical shards that measure the windows of a group."""
        ...

    @property
    def components(self) -> Mapping[int, str]:
        """From the number of each reader of the documents to the path of its component."""
        ...

    @property
    def dropping(self) -> Collection[int]:
        """The readers that may drop documents."""
        ...

    @property
    def distinct(self) -> bool:
        """Whether no group holds a document twice."""
        ...

    def with_shards(self, shards: int) -> DocumentGroups[AtT]:
        """Returns the same documents in groups of ``shards`` logical shards."""
        ...

    def start(self) -> AtT:
        """Returns the place where the first group begins."""
        ...

    def takes(self, at: AtT, size: int = 0) -> Iterator[DocumentTake[AtT]]:
        """Yields the takes of a group that begins here, one after the other; none at the end.

        Args:
            at: The place where it begins.
            size: Number of documents of the group, if known: the group then takes exactly these. Else 0.
        """
        ...

    def row_key(self, at: AtT, window: int) -> tuple[int | str, ...]:
        """Returns the key for the order of the rows of a group's window, counted from 0; no other window has it."""
        ...

    def nothing_between(self, at: AtT, after: AtT) -> bool:
        """Tells whether two places are so far apart that it is an error if there is no row between them."""
        ...

    def renewed(self, at: AtT) -> AtT:
        """Returns the same place, with all changes in force that waited for the next group."""
        ...

    def continues(self, after: AtT, saved: Saved) -> bool:
        """Tells whether a group that ends at ``after`` is the same with the epochs of the saved pipeline."""
        ...

    def finished(self, at: AtT) -> bool:
        """Tells whether all documents of all epochs that were asked for lie before."""
        ...

    def extent(self, at: AtT) -> Extent | None:
        """Returns how much of the documents lies before; None if they are endless."""
        ...

    def counts(self, at: AtT) -> dict[str, Counts]:
        """Counts the documents and epochs of each component that lie before."""
        ...

    def epoch(self, at: AtT) -> int | None:
        """Returns the epoch in which the group lies; None if there are no epochs."""
        ...

    def next_epochs(self, at: AtT) -> dict[str, int | None]:
        """Returns, by component path, the first epoch that lies whole after a place; None if there is none."""
        ...

    def encode(self, at: AtT) -> dict[str, At]:
        """Returns the place as integers, by component path."""
        ...

    def decode(self, saved: Saved) -> AtT:
        """Returns the place that ``encode`` encoded; raises StateError if there is no such place."""
        ...


@dataclass(frozen=True)
class EpochAt:
    """The place before window ``window`` of epoch ``epoch``."""

    epoch: int
    window: int


class EpochGroups(DocumentGroups[EpochAt]):
    """The groups of one component. No group, and no window, holds documents of two epochs.

    Args:
        stream: The component's documents.
        window: Documents a window at most.
        shards: Logical shards.
    """

    def __init__(self, stream: DocumentStream, window: int, shards: int) -> None:
        self._stream = stream
        self._window = window
        self._shards = shards

    @property
    @override
    def shards(self) -> int:
        return self._shards

    @property
    @override
    def components(self) -> Mapping[int, str]:
        return self._stream.components

    @property
    @override
    def dropping(self) -> Collection[int]:
        return self._stream.dropping

    @property
    @override
    def distinct(self) -> bool:
        return True

    @override
    def with_shards(self, shards: int) -> EpochGroups:
        return EpochGroups(self._stream, self._window, shards)

    @override
    def start(self) -> EpochAt:
        return EpochAt(0, 0)

    @override
    def takes(self, at: EpochAt, size: int = 0) -> Iterator[DocumentTake[EpochAt]]:
        if self._stream.ends_before(at.epoch):
            return
        window, windows = at.window, self._windows(at.epoch)
        while window < windows.count:
            take = windows.take(window)
            documents = self._stream.plan(at.epoch, np.arange(take.bounds[0], take.bounds[-1]))
            window += len(take)
            yield DocumentTake(_windows_of(documents, take), take.shards, self._before(at.epoch, window))

    @override
    def row_key(self, at: EpochAt, window: int) -> tuple[int | str, ...]:
        return at.epoch, at.window + window

    @override
    def nothing_between(self, at: EpochAt, after: EpochAt) -> bool:
        """Tells whether a whole epoch lies between them."""
        return after.epoch > at.epoch + (at.window > 0)

    @override
    def renewed(self, at: EpochAt) -> EpochAt:
        return at

    @override
    def continues(self, after: EpochAt, saved: Saved) -> bool:
        return True

    @override
    def finished(self, at: EpochAt) -> bool:
        return self._stream.finished(self._cursor(at))

    @override
    def extent(self, at: EpochAt) -> Extent | None:
        return self._stream.extent(self._cursor(at))

    @override
    def counts(self, at: EpochAt) -> dict[str, Counts]:
        return self._stream.counts(self._cursor(at))

    @override
    def epoch(self, at: EpochAt) -> int | None:
        return at.epoch

    @override
    def encode(self, at: EpochAt) -> dict[str, At]:
        return {self._stream.path: (at.epoch, at.window)}

    @override
    def decode(self, saved: Saved) -> EpochAt:
        path, epochs = self._stream.path, self._stream.epochs
        epoch, window = named_integers(saved.at, path, EPOCH_WINDOW)
        windows = self._windows(epoch)
        if window >= windows.count or not windows.begins_group(window):
            raise StateError(
                f"component {path!r}: no group begins at window {window}: the epoch has {windows.count} windows in "
                f"groups of {self.shards}"
            )
        if self._stream.ends_before(epoch) and (epoch, window) != (epochs, 0):
            if path in saved.epochs_before:
                raise PipelineMismatchError(
                    f"component {path!r} cannot have {epochs} epochs here: the run is in epoch {epoch}, counted from "
                    f"0. Give it at least {epoch + 1}, or restore an earlier checkpoint",
                    (f"{path}: repeat.epochs was {saved.epochs_before[path]}, is {epochs}",),
                )
            raise StateError(f"component {path!r}: there is no epoch {epoch}, counted from 0: it has {epochs}")
        return EpochAt(epoch, window)

    @override
    def next_epochs(self, at: EpochAt) -> dict[str, int | None]:
        return self._stream.next_epochs(self._cursor(at))

    def _windows(self, epoch: int) -> EpochWindows:
        return EpochWindows(self._stream.sizes.of(epoch), self._window, self._shards, first=epoch == 0)

    def _cursor(self, at: EpochAt) -> StreamCursor:
        return StreamCursor(at.epoch, self._windows(at.epoch).begin(at.window))

    def _before(self, epoch: int, window: int) -> EpochAt:
        return EpochAt(epoch, window) if window < self._windows(epoch).count else EpochAt(epoch + 1, 0)


class EndlessGroups(DocumentGroups[AtT]):
    """The groups of documents without epochs: those of a mix, or of a source without random access.

    Args:
        documents: Plans the documents.
        window: Documents a window at most.
        shards: Logical shards.
    """

    def __init__(self, documents: DocumentPlanner[AtT], window: int, shards: int) -> None:
        self._documents = documents
        self._window = window
        self._shards = shards

    @property
    @override
    def shards(self) -> int:
        return self._shards

    @property
    @override
    def components(self) -> Mapping[int, str]:
        return self._documents.components

    @property
    @override
    def dropping(self) -> Collection[int]:
        return self._documents.dropping

    @property
    @override
    def distinct(self) -> bool:
        """False: a small component of a mix may come more than once in a group, even if it is the only one."""
        return False

    @override
    def with_shards(self, shards: int) -> EndlessGroups[AtT]:
        return EndlessGroups(self._documents, self._window, shards)

    @override
    def start(self) -> AtT:
        return self._documents.start()

    @override
    def takes(self, at: AtT, size: int = 0) -> Iterator[DocumentTake[AtT]]:
        taken = 0
        while not size or taken < size:
            position = self._documents.position(at)
            at_once = documents_at(position, self._window, self._shards)
            documents, at = self._documents.take(at, min(at_once, size - taken) if size else at_once)
            if not len(documents):
                return
            taken += len(documents)
            take = cut_evenly(len(documents), position, self._window, self._shards)
            yield DocumentTake(_windows_of(documents, take), take.shards, at)

    @override
    def row_key(self, at: AtT, window: int) -> tuple[int | str, ...]:
        return self._documents.position(at), window

    @override
    def nothing_between(self, at: AtT, after: AtT) -> bool:
        """Tells whether too many documents lie between them."""
        return self._documents.position(after) - self._documents.position(at) > self._documents.most_dropped

    @override
    def renewed(self, at: AtT) -> AtT:
        return self._documents.renewed(at)

    @override
    def continues(self, after: AtT, saved: Saved) -> bool:
        return self._documents.continues(after, saved)

    @override
    def finished(self, at: AtT) -> bool:
        return self._documents.finished(at)

    @override
    def extent(self, at: AtT) -> Extent | None:
        return self._documents.extent(at)

    @override
    def counts(self, at: AtT) -> dict[str, Counts]:
        return self._documents.counts(at)

    @override
    def epoch(self, at: AtT) -> int | None:
        return None

    @override
    def next_epochs(self, at: AtT) -> dict[str, int | None]:
        return self._documents.next_epochs(at)

    @override
    def encode(self, at: AtT) -> dict[str, At]:
        return self._documents.encode(at)

    @override
    def decode(self, saved: Saved) -> AtT:
        return self._documents.decode(saved)


def _windows_of(documents: DocumentPlan, take: Take) -> Sequence[DocumentPlan]:
    first = take.bounds[0]
    return [documents.slice(take.bounds[i] - first, take.bounds[i + 1] - first) for i in range(len(take))]
