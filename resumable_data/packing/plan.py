"""The plan arrays: which stretches of which documents make up which rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resumable_data.arrays import Int64Array, joined_or_none, offsets_of, ranges
from resumable_data.digest import digest
from resumable_data.order.sequence import NO_SHARD

NO_EPOCH = -1
"""Stands for the epoch of a document without epochs, such as one of a sequential source."""

_SPAN_COLUMNS = ("reader", "record", "offset", "length", "document_length")


@dataclass(frozen=True, eq=False)
class DocumentPlan:
    """Documents to be read, in order.

    Attributes:
        reader: int64[n], which of the pipeline's readers holds each document.
        record: int64[n], its index in that reader's source, or its occurrence: see ``order.occurrences``.
        epoch: int64[n], its epoch, or ``NO_EPOCH``; None unless epochs were asked for.
    """

    reader: Int64Array
    record: Int64Array
    epoch: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.record)

    def slice(self, start: int, stop: int) -> DocumentPlan:
        """Returns documents ``start`` to ``stop`` without copying."""
        epoch = None if self.epoch is None else self.epoch[start:stop]
        return DocumentPlan(self.reader[start:stop], self.record[start:stop], epoch)

    def take(self, indices: Int64Array) -> DocumentPlan:
        """Returns documents in any order: int64[m] places, repeats allowed."""
        epoch = None if self.epoch is None else self.epoch[indices]
        return DocumentPlan(self.reader[indices], self.record[indices], epoch)


def concatenate_documents(plans: Sequence[DocumentPlan]) -> DocumentPlan:
    """Joins the documents of all plans, one after the other."""
    if not plans:
        nothing = np.zeros(0, np.int64)
        return DocumentPlan(nothing, nothing)
    if len(plans) == 1:
        return plans[0]
    return DocumentPlan(
        np.concatenate([plan.reader for plan in plans]),
        np.concatenate([plan.record for plan in plans]),
        joined_or_none([plan.epoch for plan in plans], [len(plan) for plan in plans], missing=NO_EPOCH),
    )


@dataclass(frozen=True, eq=False)
class DocumentLengths:
    """The lengths of documents.

    Attributes:
        tokens: int64[n], the tokens of each; -1 for a dropped document, which keeps its place but fills no row.
        counts: int64[n, n_counted], what is counted of each, in the order of ``COUNTED``; None if nothing is counted.
    """

    tokens: Int64Array
    counts: Int64Array | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    def slice(self, start: int, stop: int) -> DocumentLengths:
        """Returns documents ``start`` to ``stop`` without copying."""
        return DocumentLengths(self.tokens[start:stop], None if self.counts is None else self.counts[start:stop])

    def take(self, indices: Int64Array) -> DocumentLengths:
        """Returns documents in any order: int64[m] places, repeats allowed."""
        return DocumentLengths(self.tokens[indices], None if self.counts is None else self.counts[indices])


def concatenate_lengths(parts: Sequence[DocumentLengths]) -> DocumentLengths:
    """Joins the lengths of all parts, one after the other. There must be at least one part."""
    if len(parts) == 1:
        return parts[0]
    return DocumentLengths(
        np.concatenate([part.tokens for part in parts]),
        joined_or_none([part.counts for part in parts], [len(part) for part in parts]),
    )


@dataclass(frozen=True, eq=False)
class RowPlan:
    """Rows as spans of documents. Row ``r`` consists of spans ``rows[r]`` to ``rows[r + 1]``, in this order.

    Attributes:
        rows: int64[n_rows + 1], first span of each row.
        reader: int64[n_spans], which reader holds the span's document.
        record: int64[n_spans], index of the document in that reader's source, or its occurrence.
        offset: int64[n_spans], first token of the span within its document.
        length: int64[n_spans], tokens of the span; at least one.
        document_length: int64[n_spans], tokens of the whole document, to be checked when it is read.
        owner: int64[n_rows], the logical shard that measured each row's documents, or ``NO_SHARD``; None if no row
            has an owner.
        epoch: int64[n_spans], the epoch of the span's document, or ``NO_EPOCH``; None unless epochs were asked for.
    """

    rows: Int64Array
    reader: Int64Array
    record: Int64Array
    offset: Int64Array
    length: Int64Array
    document_length: Int64Array
    owner: Int64Array | None = None
    epoch: Int64Array | None = None

    @classmethod
    def empty(cls, n_rows: int) -> RowPlan:
        """Makes a plan of ``n_rows`` rows without tokens."""
        nothing = np.zeros(0, np.int64)
        return cls(np.zeros(n_rows + 1, np.int64), nothing, nothing, nothing, nothing, nothing)

    def __len__(self) -> int:
        return len(self.rows) - 1

    def slice(self, start: int, stop: int) -> RowPlan:
        """Returns rows ``start`` to ``stop`` without copying a span."""
        first, last = int(self.rows[start]), int(self.rows[stop])
        return RowPlan(
            self.rows[start : stop + 1] - first,
            self.reader[first:last],
            self.record[first:last],
            self.offset[first:last],
            self.length[first:last],
            self.document_length[first:last],
            None if self.owner is None else self.owner[start:stop],
            None if self.epoch is None else self.epoch[first:last],
        )

    def take(self, indices: Int64Array) -> RowPlan:
        """Returns rows in any order: int64[m] row numbers, repeats allowed."""
        spans = self.spans_of(indices)
        return RowPlan(
            offsets_of(np.diff(self.rows)[indices]),
            self.reader[spans],
            self.record[spans],
            self.offset[spans],
            self.length[spans],
            self.document_length[spans],
            None if self.owner is None else self.owner[indices],
            None if self.epoch is None else self.epoch[spans],
        )

    def digest(self) -> str:
        """Digests which tokens stand in which row. It does not depend on the process, nor on known epochs."""
        columns = [self.rows, *(getattr(self, name) for name in _SPAN_COLUMNS)]
        columns += [] if self.owner is None else [self.owner]
        return digest(*(np.ascontiguousarray(column, "<i8").tobytes() for column in columns))

    def spans_of(self, indices: Int64Array) -> Int64Array:
        """Returns the spans of int64[m] rows, one row after the other."""
        return ranges(self.rows[:-1][indices], np.diff(self.rows)[indices])

    def padded(self, n_rows: int) -> RowPlan:
        """Adds empty rows, up to ``n_rows``."""
        return concatenate([self, RowPlan.empty(n_rows - len(self))]) if len(self) < n_rows else self


def concatenate(plans: Sequence[RowPlan]) -> RowPlan:
    """Joins the rows of all plans, one after the other.

    >>> len(concatenate([RowPlan.empty(2), RowPlan.empty(3)]))
    5
    """
    if len(plans) == 1:
        return plans[0]
    first_spans = offsets_of(np.array([plan.rows[-1] for plan in plans], np.int64))
    rows = [plan.rows[:-1] + first for plan, first in zip(plans, first_spans, strict=False)]
    columns = {name: np.concatenate([getattr(plan, name) for plan in plans]) for name in _SPAN_COLUMNS}
    owner = joined_or_none([plan.owner for plan in plans], [len(plan) for plan in plans], missing=NO_SHARD)
    spans = [len(plan.record) for plan in plans]
    epoch = joined_or_none([plan.epoch for plan in plans], spans, missing=NO_EPOCH)
    return RowPlan(np.concatenate([*rows, first_spans[-1:]]), **columns, owner=owner, epoch=epoch)
