"""What stands for a document that a stage left out, so that no other document moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, Final

import numpy as np

from resumable_data.arrays import BoolArray, Ragged
from resumable_data.reading.cut import cut_of, made_of


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


def left_out(documents: Ragged, dropped: BoolArray) -> Ragged:
    """The same documents less those of which bool[n] ``dropped`` says so, as it does of those left out before.

    >>> left_out(Ragged.from_records([[1, 2], [3]]), np.array([True, False])).lengths.tolist()
    [0, 1]
    """
    if not dropped.any():
        return documents
    return replace(documents, lengths=np.where(dropped, 0, documents.lengths), dropped=dropped)
