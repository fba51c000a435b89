"""Packs again what is left of a group, with another row length."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.packing.group import deal_windows
from resumable_data.packing.plan import DocumentPlan, RowPlan, concatenate
from resumable_data.packing.window import DocumentParts, PackedWindow

PackParts = Callable[[int, DocumentParts], PackedWindow]
"""From a logical shard and the parts of documents that it measured to their rows."""


def repack(window: PackedWindow, row: int, shards: int, owners: Mapping[int, int], pack: PackParts) -> PackedWindow:
    """Packs again the rows of a group from ``row`` on. The rows before it stay, so that no token is lost or repeated.

    Parts of one document that lie next to each other become one part, which a longer row can hold whole. The new
    rows have one order, in which every logical shard has as many as any other, as in every group.

    Args:
        window: The group.
        row: The first row that is packed again; smaller than the number of rows.
        shards: Number of logical shards.
        owners: The shards that measured documents, ascending.
        pack: Packs the parts of a shard.
    """
    kept, rest = window.plan.slice(0, row), window.plan.slice(row, len(window.plan))
    counts = window.counts[len(kept.record) :]
    owner = np.zeros(len(rest), np.int64) if rest.owner is None else rest.owner
    packed: list[PackedWindow] = []
    for shard in owners:
        rows = np.flatnonzero(owner == shard)
        packed.append(pack(shard, _joined(rest.take(rows), counts[rest.spans_of(rows)])))
    dealt = deal_windows(packed, tuple(owners), shards)
    return PackedWindow(
        concatenate([kept, dealt.plan]),
        size=window.size,
        counts=np.concatenate([window.counts[: len(kept.record)], dealt.counts]),
        dropped=window.dropped,
    )


def _joined(plan: RowPlan, counts: Int64Array) -> DocumentParts:
    """Joins the spans of rows to the longest parts of documents, in the order in which the parts appear first.

    Args:
        plan: The rows.
        counts: int64[n_spans, n_counted], the counts of the document that begins with each span.
    """
    document = np.stack([plan.reader, plan.record])  # int64[2, n_spans], what names the document of each span
    # Copies of a document, of any epochs, have the same tokens, so the spans of any copy may continue a part.
    copy = _numbered(np.vstack([document, plan.offset]))
    order = np.lexsort((plan.offset, copy, *document))
    begins = np.ones(len(order), np.bool_)
    names = np.vstack([document, copy])[:, order]
    same = (names[:, 1:] == names[:, :-1]).all(axis=0)
    begins[1:] = ~(same & (plan.offset[order][1:] == (plan.offset + plan.length)[order][:-1]))
    part = np.empty(len(order), np.int64)  # int64[n_spans], the part of each span
    part[order] = np.cumsum(begins) - 1
    first = np.full(int(begins.sum()), len(order), np.int64)  # int64[n_parts], the span that appears first
    np.minimum.at(first, part, np.arange(len(order)))
    length, counted = np.zeros(len(first), np.int64), np.zeros((len(first), counts.shape[1]), np.int64)
    np.add.at(length, part, plan.length)
    np.add.at(counted, part, counts)
    appears, head = np.argsort(first), order[begins]  # head: int64[n_parts], the span with the first tokens
    heads = head[appears]
    return DocumentParts(
        DocumentPlan(plan.reader[heads], plan.record[heads], None if plan.epoch is None else plan.epoch[heads]),
        begin=plan.offset[heads],
        length=length[appears],
        document_length=plan.document_length[heads],
        counts=counted[appears],
    )


def _numbered(names: Int64Array) -> Int64Array:
    """Numbers equal columns of int64[n_names, n] from 0, in their order: int64[n].

    >>> _numbered(np.array([[5, 7, 5, 5]])).tolist()
    [0, 0, 1, 2]
    """
    order = np.lexsort(names)  # stable
    place = np.arange(len(order))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (names[:, order][:, 1:] != names[:, order][:, :-1]).any(axis=0)
    number = np.empty(len(order), np.int64)
    number[order] = place - np.maximum.accumulate(np.where(begins, place, 0))
    return number
