"""Reads the documents of plans: many steps at a time, one call a source, every document once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from resumable_data.arrays import AnyArray, BoolArray, Int32Array, Int64Array, Ragged
from resumable_data.errors import RecordError
from resumable_data.opaque import Document
from resumable_data.packing.plan import DocumentPlan, RowPlan
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import FieldDtypes
from resumable_data.reading.reader import Reader


class Spans(NamedTuple):
    """The tokens and fields of a plan's spans.

    Attributes:
        values: int32[m], the tokens.
        starts: int64[n_spans], where each span begins in the values; 0 for a span that is not needed.
        fields: By name [m], aligned with the tokens.
    """

    values: Int32Array
    starts: Int64Array
    fields: Mapping[str, AnyArray]


def read_spans(
    readers: Sequence[Reader],
    plan: RowPlan,
    needed: BoolArray | None = None,
    fields: FieldDtypes = (),
) -> Spans:
    """Reads the tokens of the documents that a plan's spans come from.

    Args:
        readers: The pipeline's readers, to which the plan refers.
        plan: The rows.
        needed: bool[n_spans], the spans to read; all by default.
        fields: The fields that the readers give beside the tokens.

    Raises:
        RecordError: A document has another length than it was planned with.
    """
    found: list[Ragged] = []
    starts = np.zeros(len(plan.record), np.int64)
    before = 0
    places = np.arange(len(plan.record)) if needed is None else np.flatnonzero(needed)
    for number, spans in by_reader(plan.reader, places):
        records, documents_of_spans = np.unique(plan.record[spans], return_inverse=True)
        documents = readers[number].read_tokens(records).tokens
        if len(spans) < len(places) and 2 * int(documents.lengths.sum()) < len(documents.values):
            documents = documents.compact()  # It is joined with the documents of other readers.
        lengths = documents.lengths[documents_of_spans]
        wrong = np.flatnonzero(lengths != plan.document_length[spans])
        if wrong.size:
            span = spans[wrong[0]]
            name = readers[number].name_of(int(plan.record[span]))
            raise RecordError(
                f"{name} has {int(lengths[wrong[0]])} tokens, but was planned with "
                f"{int(plan.document_length[span])}: the data changed since its lengths were counted, or "
                "what reads it differs between processes. Restore the data, or delete its lengths index or "
                "the directory of measure(…)"
            )
        starts[spans] = before + documents.starts[documents_of_spans] + plan.offset[spans]
        found.append(documents)
        before += len(documents.values)
    values = _joined([documents.values for documents in found], "int32")
    return Spans(
        values,
        starts,
        {name: _joined([(documents.fields or {})[name] for documents in found], dtype) for name, dtype in fields},
    )


def _joined(values: Sequence[AnyArray], dtype: str) -> AnyArray:
    """Joins flat arrays. The result has at least one cell, to which spans that are not needed point."""
    return values[0] if len(values) == 1 else np.concatenate([*values, np.zeros(1, dtype)])


def read_documents(readers: Sequence[Reader], plan: DocumentPlan) -> Documents:
    """Reads the documents of a plan, of any kind, in its order."""
    documents: list[Document] = [None] * len(plan)
    kept = np.ones(len(plan), np.bool_)
    for number, places in by_reader(plan.reader, np.arange(len(plan))):
        found = readers[number].read(plan.record[places])
        kept[places] = found.kept
        for place, document in zip(places.tolist(), found, strict=True):
            documents[place] = document
    return Documents(documents).keep(kept)


def by_reader(reader: Int64Array, places: Int64Array) -> Iterator[tuple[int, Int64Array]]:
    """Yields each reader that is in use at int64[n] places, and its places."""
    if not len(places):
        return
    reader = reader[places]
    if (reader == reader[0]).all():
        yield int(reader[0]), places
        return
    order = np.argsort(reader, kind="stable")
    numbers, firsts = np.unique(reader[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(places[order], firsts[1:]), strict=True)
