"""Packs a window's documents into rows: the one place that applies a strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np

from resumable_data.arrays import Int64Array, offsets_of
from resumable_data.delivered import COUNTED
from resumable_data.order.permutation import permutation
from resumable_data.packing.best_fit import best_fit
from resumable_data.packing.concat_split import concat_split
from resumable_data.packing.copies import first_copies
from resumable_data.packing.first_fit import first_fit
from resumable_data.packing.one_a_row import one_a_row
from resumable_data.packing.pieces import Pieces
from resumable_data.packing.plan import DocumentLengths, DocumentPlan, RowPlan

StrategyName = Literal["best_fit", "first_fit", "concat_split"]
"""The strategies that ``pack`` offers; ``one_a_row`` is that of ``pad``."""

Strategy = Callable[[Int64Array, int, Int64Array | None, int | None], Pieces]

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {"best_fit": best_fit, "concat_split": concat_split, "first_fit": first_fit, "one_a_row": one_a_row}
)

VERSIONS: Mapping[str, int] = MappingProxyType(dict.fromkeys(STRATEGIES, 1))


@dataclass(frozen=True, eq=False)
class DocumentParts:
    """Parts of documents that are packed together; usually whole documents.

    Attributes:
        documents: The document of each part.
        begin: int64[n], the first token of each part within its document.
        length: int64[n], tokens of the part.
        document_length: int64[n], tokens of the whole document.
        counts: int64[n, n_counted], the counts of the document, for a part that begins with its first token.
    """

    documents: DocumentPlan
    begin: Int64Array
    length: Int64Array
    document_length: Int64Array
    counts: Int64Array


@dataclass(frozen=True, eq=False)
class PackedWindow:
    """The rows of one window, and counts that need no reading of tokens.

    Attributes:
        plan: Its rows.
        size: Number of documents.
        counts: int64[n_spans, n_counted], the counts of the document that begins with each span; 0 if none begins.
        dropped: int64[n_dropped], the readers of the documents that are dropped.
    """

    plan: RowPlan
    size: int
    counts: Int64Array
    dropped: Int64Array

    @property
    def split(self) -> int:
        """Number of documents that lie in more than one row."""
        return int(np.count_nonzero((self.plan.offset == 0) & (self.plan.length < self.plan.document_length)))

    def delivered(self, row: int, reader: int) -> tuple[int, ...]:
        """Counts what the rows before ``row`` deliver, for one reader.

        Returns:
            Documents that begin in them, their tokens, their counts, and dropped documents. These lie in no row, and
            count with the last row of the window.
        """
        dropped = int(np.count_nonzero(self.dropped == reader)) if row == len(self.plan) else 0
        return (*self._before_rows(reader)[row].tolist(), dropped)

    def _before_rows(self, reader: int) -> Int64Array:
        """Counts documents, tokens and ``COUNTED`` of a reader before each row: int64[n_rows + 1, 2 + n_counted]."""
        if reader not in self._counted:
            here = self.plan.reader == reader
            begins = here & (self.plan.offset == 0)
            columns = np.column_stack([begins, self.plan.length * here, self.counts * here[:, None]])
            before_spans = np.zeros((len(here) + 1, columns.shape[1]), np.int64)
            np.cumsum(columns, axis=0, out=before_spans[1:])
            self._counted[reader] = before_spans[self.plan.rows]
        return self._counted[reader]

    @cached_property
    def _counted(self) -> dict[int, Int64Array]:
        return {}


def pack_window(
    documents: DocumentPlan,
    lengths: DocumentLengths,
    row_length: int,
    strategy: str,
    *,
    shuffle_key: tuple[int | str, ...] | None,
    max_documents: int | None = None,
    distinct: bool = True,
) -> PackedWindow:
    """Packs the documents of one window into rows.

    Rows stand in the order of their first documents, unless a key shuffles them. The spans of a row stand in the
    order of the documents, or of ``concat_split``. No row holds one document twice, unless all different
    documents of the window fit one row. Occurrences of a record that ``random_map`` tells apart are different.

    Args:
        documents: The documents of the window, in the order of the stream.
        lengths: Their lengths.
        row_length: Tokens a row.
        strategy: A key of ``STRATEGIES``.
        shuffle_key: Identifies the order of the rows (seed, component path, window); None keeps their order.
        max_documents: Most documents of a row, or None for no bound.
        distinct: Whether no document occurs twice, as in an epoch of one component. Then copies are not searched.

    Returns:
        The rows with their counts.
    """
    dropped = lengths.tokens < 0
    whole = np.where(dropped, 0, lengths.tokens)
    counts = np.zeros((len(documents), len(COUNTED)), np.int64) if lengths.counts is None else lengths.counts
    parts = DocumentParts(documents, np.zeros(len(documents), np.int64), whole, whole, counts)
    packed = pack_parts(
        parts, row_length, strategy, shuffle_key=shuffle_key, max_documents=max_documents, distinct=distinct
    )
    return replace(packed, dropped=documents.reader[dropped])


def pack_parts(
    parts: DocumentParts,
    row_length: int,
    strategy: str,
    *,
    shuffle_key: tuple[int | str, ...] | None,
    max_documents: int | None = None,
    distinct: bool = False,
) -> PackedWindow:
    """Packs parts of documents into rows; the arguments are those of ``pack_window``."""
    documents = parts.documents
    same = None if distinct else first_copies(documents.reader, documents.record)
    pieces = STRATEGIES[strategy](parts.length, row_length, same, max_documents)
    order, row_of_span = _arrange(pieces.row, shuffle_key)
    part = pieces.document[order]
    offset = parts.begin[part] + pieces.offset[order]
    plan = RowPlan(
        rows=offsets_of(np.bincount(row_of_span)),
        reader=documents.reader[part],
        record=documents.record[part],
        offset=offset,
        length=pieces.length[order],
        document_length=parts.document_length[part],
        epoch=None if documents.epoch is None else documents.epoch[part],
    )
    # A document that is split counts once.
    counts = parts.counts[part] * (offset == 0)[:, None]
    return PackedWindow(plan, len(documents), counts, dropped=np.zeros(0, np.int64))


def _arrange(row: Int64Array, shuffle_key: tuple[int | str, ...] | None) -> tuple[Int64Array, Int64Array]:
    """Returns the order of the pieces, int64[n], and the final row of each in that order, int64[n]."""
    n_rows = int(row.max()) + 1 if len(row) else 0
    if n_rows == 0:
        return row, row
    first_piece = np.full(n_rows, len(row), np.int64)
    np.minimum.at(first_piece, row, np.arange(len(row)))
    place = np.empty(n_rows, np.int64)  # the final place of each row
    place[np.argsort(first_piece, kind="stable")] = np.arange(n_rows)
    if shuffle_key is not None:
        place = permutation(n_rows, "pack.rows", *shuffle_key)(place)
    order = np.argsort(place[row], kind="stable")
    return order, place[row][order]
