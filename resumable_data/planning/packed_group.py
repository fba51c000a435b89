"""One group of packed rows: its documents are taken, measured, packed shard by shard, and dealt into one order.

If lengths are known and nothing is dropped, a group is one take of windows. If not, it takes more windows until its
documents fill some rows for every shard.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from resumable_data.delivered import Delivered
from resumable_data.digest import digest_to_number
from resumable_data.errors import StateError
from resumable_data.opaque import Cursor
from resumable_data.packing.group import LEAST_ROWS, MOST_TAKES, count_filled, deal_windows
from resumable_data.packing.plan import (
    DocumentLengths,
    DocumentPlan,
    RowPlan,
    concatenate_documents,
    concatenate_lengths,
)
from resumable_data.packing.repack import repack
from resumable_data.packing.window import DocumentParts, PackedWindow, pack_parts, pack_window
from resumable_data.planning.group_cache import RunAhead
from resumable_data.planning.groups import DocumentGroups

_ShuffleKey = Callable[[int], tuple[int | str, ...] | None]


class LengthSource(Protocol):
    """Tells the lengths of documents: it knows them, or it measures them."""

    @property
    def known(self) -> bool:
        """Whether lengths are known without reading."""
        ...

    @property
    def run_ahead(self) -> RunAhead:
        """Runs a task that measures in the background."""
        ...

    def measure(self, windows: Sequence[DocumentPlan], shards: Sequence[int]) -> Sequence[DocumentLengths]:
        """Returns the lengths of the documents of each window, which its logical shard measures."""
        ...

    def expect(self, rows: RowPlan) -> None:
        """Ends a group of these rows: all that was measured since the last call belongs to it."""
        ...


@dataclass(frozen=True)
class Packing:
    """How documents become rows.

    Attributes:
        length: Tokens a row.
        strategy: A key of ``packing.window.STRATEGIES``.
        max_documents: Most documents of a row, or None for no bound.
        shuffle_seed: Seed of the order of a window's rows; None keeps their order.
        in_order: The paths of components that are not shuffled. A group that holds documents of one keeps the order
            of its rows.
        masked: Whether some tokens may not be scored.
        truncates: Whether documents are truncated to the length of a row.
    """

    length: int
    strategy: str
    max_documents: int | None = None
    shuffle_seed: int | None = None
    in_order: Collection[str] = ()
    masked: bool = False
    truncates: bool = False


@dataclass(frozen=True)
class Cut:
    """A row of a group from which on the rows have another length, because the run changed it there.

    Attributes:
        row: The row of the group.
        length: Tokens a row before it.
    """

    row: int
    length: int


@dataclass(frozen=True, eq=False)
class PackedGroup:
    """A planned group.

    Attributes:
        packed: Its rows.
        windows: Number of its windows.
        end: The place where its documents end.
        after: The place where the next group begins: the same, with waiting weights in force.
        readers: The components' readers.
        lengths_digest: The digest of the lengths of its documents. A state holds it, so that a restore finds out if
            they differ.
    """

    packed: PackedWindow
    windows: int
    end: Cursor
    after: Cursor
    readers: Sequence[int]
    lengths_digest: int

    @property
    def rows(self) -> int:
        """The number of its rows."""
        return len(self.packed.plan)

    def delivered(self, row: int) -> Sequence[Delivered]:
        """Counts what the first ``row`` rows deliver, for each component."""
        return [Delivered(0, *self.packed.delivered(row, reader)) for reader in self.readers]


class GroupPacker:
    """Plans groups. It keeps nothing between them.

    Args:
        groups: The documents.
        path: The component's path, or that of the mix whose documents are packed.
        packing: How documents become rows.
        lengths: Tells their lengths.
    """

    def __init__(self, groups: DocumentGroups[Cursor], path: str, packing: Packing, lengths: LengthSource) -> None:
        self._documents = groups
        self._path = path
        self._packing = packing
        self._lengths = lengths
        # If much is dropped, or documents are short, one take may fill only a few rows.
        self._most_takes = MOST_TAKES if groups.dropping or not lengths.known else 1

    def plan(self, at: Cursor, size: int = 0, cuts: Sequence[Cut] = ()) -> PackedGroup | None:
        """Plans the group that begins at a place; returns None at the end.

        Args:
            at: The place where it begins.
            size: Number of its documents, if known; the group has fewer if there is none of that size. Else 0: the
                group takes as many as it needs.
            cuts: Where the length of its rows changed, ascending.

        Raises:
            StateError: The group has no row at a cut.
        """
        # length_of[i]: the length of the rows before cut i; the last one is that of the rows after all cuts
        length_of = [*(cut.length for cut in cuts), self._packing.length]
        shards: dict[int, _ShardDocuments] = {}
        measured: list[bytes] = []
        windows = filled = 0
        after = at
        for takes, take in enumerate(self._documents.takes(at, size), start=1):
            lengths = self._lengths.measure(take.windows, take.shards)
            measured += [np.ascontiguousarray(known.tokens, "<i8").tobytes() for known in lengths]
            for window, (shard, documents, known) in enumerate(zip(take.shards, take.windows, lengths, strict=True)):
                shards.setdefault(shard, _ShardDocuments(windows + window)).add(documents, known)
                filled += count_filled(known, length_of[0], self._packing.strategy)
            windows, after = windows + len(take.windows), take.after
            enough = filled >= LEAST_ROWS * self._documents.shards * length_of[0]
            # No group goes on after that. So a damaged state cannot ask for a group without end.
            if enough or takes == (MOST_TAKES if size else self._most_takes):
                break
        if not windows:
            return None
        shards = dict(sorted(shards.items()))
        key = self._shuffle_key(at, shards)
        packed = [self._pack(shard, length_of[0], key) for shard in shards.values()]
        dealt = deal_windows(packed, tuple(shards), self._documents.shards)
        firsts = {number: shard.first for number, shard in shards.items()}
        for cut, length in zip(cuts, length_of[1:], strict=True):
            if cut.row >= len(dealt.plan):
                raise StateError(f"component {self._path!r}: a group of {len(dealt.plan)} rows has no row {cut.row}")
            pack = partial(self._pack_parts, key, firsts, cut.row, length)
            dealt = repack(dealt, cut.row, self._documents.shards, firsts, pack)
        self._lengths.expect(dealt.plan)
        renewed, readers = self._documents.renewed(after), tuple(self._documents.components)
        return PackedGroup(dealt, windows, after, renewed, readers, digest_to_number(*measured))

    def _pack(self, shard: _ShardDocuments, row_length: int, shuffle_key: _ShuffleKey) -> PackedWindow:
        """Packs the documents of one shard."""
        return pack_window(
            concatenate_documents(shard.documents),
            concatenate_lengths(shard.lengths),
            row_length,
            self._packing.strategy,
            max_documents=self._packing.max_documents,
            shuffle_key=shuffle_key(shard.first),
            distinct=self._documents.distinct,
        )

    def _pack_parts(
        self,
        shuffle_key: _ShuffleKey,
        firsts: Mapping[int, int],
        row: int,
        row_length: int,
        shard: int,
        parts: DocumentParts,
    ) -> PackedWindow:
        """Packs what one shard has left from a row of the group on."""
        key = shuffle_key(firsts[shard])
        return pack_parts(
            parts,
            row_length,
            self._packing.strategy,
            max_documents=self._packing.max_documents,
            shuffle_key=None if key is None else (*key, "from row", row),
        )

    def _shuffle_key(self, at: Cursor, shards: Mapping[int, _ShardDocuments]) -> _ShuffleKey:
        """Returns the function from a window to the key for the order of its rows; to None if they keep their order.

        It depends on the documents of the group alone. So an edit of a mix does not change the group in progress.
        """
        seed, paths = self._packing.shuffle_seed, self._documents.components
        in_order = [reader for reader, path in paths.items() if path in self._packing.in_order]
        documents = (window for shard in shards.values() for window in shard.documents)
        if seed is None or (in_order and any(np.isin(window.reader, in_order).any() for window in documents)):
            return lambda window: None
        return lambda window: (seed, self._path, *self._documents.row_key(at, window))


@dataclass(frozen=True, eq=False)
class _ShardDocuments:
    """The documents of one shard from all takes. They are packed as one window.

    Attributes:
        first: The place in the group of the first of its windows.
        documents: The documents of each of its windows.
        lengths: How long they are.
    """

    first: int
    documents: list[DocumentPlan] = field(default_factory=list[DocumentPlan])
    lengths: list[DocumentLengths] = field(default_factory=list[DocumentLengths])

    def add(self, documents: DocumentPlan, lengths: DocumentLengths) -> None:
        """Adds a window."""
        self.documents.append(documents)
        self.lengths.append(lengths)
