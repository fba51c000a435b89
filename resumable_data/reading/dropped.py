"""What stands for a document that a stage left out, so that no other document moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, Final

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array, Ragged, offsets_of
from resumable_data.reading.cut import cut_of, cut_of_parts, made_of


class Dropped(Enum):
    """The type of ``DROPPED``."""

    DROPPED = "dropped"

    def __repr__(self) -> str:
        return self.name


DROPPED: Final = Dropped.DROPPED
"""Stands in what ``read`` gives for a document that was left out. Stages hand it on as it is."""


def with_dropped(tokens: Ragged) -> Sequence[Any]:
    """Token documents as ``read`` gives them: with ``DROPPED`` where one was left out.

    >>> with_dropped(Ragged.from_records([[1, 2], []]))[0].tolist()
    [1, 2]
    """
    if tokens.dropped is None:
        return tokens
    marked = zip(tokens, tokens.dropped.tolist(), strict=True)
    return made_of(tokens, [DROPPED if dropped else found for found, dropped in marked])


def as_ragged(documents: Sequence[Any], name: Callable[[int], str]) -> Ragged:
    """What ``read`` gave as ``read_tokens`` gives it: those left out are marked, and have no tokens.

    Args:
        documents: One-dimensional integer documents, and ``DROPPED``.
        name: What an error calls the document at a place.

    Raises:
        RecordError: A document is no one-dimensional integer array, or a value does not fit int32.

    >>> documents = as_ragged([[1, 2], DROPPED], "document {}".format)
    >>> documents.lengths.tolist(), documents.dropped.tolist()
    ([2, 0], [False, True])
    """
    if isinstance(documents, Ragged):
        return documents
    dropped = np.fromiter((document is DROPPED for document in documents), np.bool_, len(documents))
    marks = dropped if dropped.any() else None
    kept = documents if marks is None else [() if document is DROPPED else document for document in documents]
    return replace(Ragged.from_records(kept, name), dropped=marks, cut=cut_of(documents))


def joined(parts: Sequence[Ragged]) -> Ragged:
    """Documents that were read in at least one part, all with the same fields, as if they had been read at once.

    >>> parts = [Ragged.from_records([[1, 2], [3]]), as_ragged([DROPPED], str), Ragged.from_records([[4]])]
    >>> [document.tolist() for document in joined(parts)], joined(parts).dropped.tolist()
    ([[1, 2], [3], [], [4]], [False, False, True, False])
    """
    before = offsets_of(np.fromiter((len(part.values) for part in parts), np.int64, len(parts)))
    dropped = np.concatenate(
        [np.zeros(len(part), np.bool_) if part.dropped is None else part.dropped for part in parts]
    )
    names = parts[0].fields
    return Ragged(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.starts + begin for part, begin in zip(parts, before[:-1], strict=True)]),
        np.concatenate([part.lengths for part in parts]),
        spare=min(part.spare for part in parts),
        dropped=dropped if dropped.any() else None,
        cut=cut_of_parts(parts),
        fields=None
        if names is None
        else {name: np.concatenate([(part.fields or {})[name] for part in parts]) for name in names},
    )


def left_out(documents: Ragged, dropped: BoolArray) -> Ragged:
    """The same documents less those of which bool[n] ``dropped`` says so, as it does of those left out before.

    >>> left_out(Ragged.from_records([[1, 2], [3]]), np.array([True, False])).lengths.tolist()
    [0, 1]
    """
    if not dropped.any():
        return documents
    return replace(documents, lengths=np.where(dropped, 0, documents.lengths), dropped=dropped)


def spread(documents: Ragged, places: BoolArray) -> Ragged:
    """The same documents at the places of which bool[n] ``places`` says so; at the others one that is left out.

    >>> [document.tolist() for document in spread(Ragged.from_records([[1, 2]]), np.array([False, True, False]))]
    [[], [1, 2], []]
    """
    starts, lengths, dropped = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64), ~places
    starts[places], lengths[places] = documents.starts, documents.lengths
    if documents.dropped is not None:
        dropped[places] = documents.dropped
    cut: Int64Array | None = None
    if documents.cut is not None:
        cut = np.zeros(len(places), np.int64)
        cut[places] = documents.cut
    return replace(documents, starts=starts, lengths=lengths, dropped=dropped if dropped.any() else None, cut=cut)
