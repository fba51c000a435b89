"""``Documents``: what one step of a component gives to the next, from the source to rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array, Ragged, joined_or_none
from resumable_data.delivered import COUNTED
from resumable_data.opaque import Document, JsonDict
from resumable_data.packing.plan import DocumentLengths
from resumable_data.reading.fields import TokenFields

NameOf = Callable[[int], str]
"""Names the document at a place, for errors."""


@dataclass(frozen=True, eq=False)
class Documents(Sequence[Document]):
    """Documents of any kind, with what the steps did to each of them.

    They are a sequence of contents. A dropped document keeps its place in it.

    Attributes:
        content: Any n records, or the flat tokens of n documents, with their fields. A dropped document has no
            tokens; among other records anything may stand for it.
        dropped: bool[n], the documents that a step left out; they keep their places. None if there are none.
        truncated: int64[n], tokens that each document lost before; None if no step truncates.
        scored: int64[n], tokens of each document that are learnt; None if no step counts them.

    >>> documents = Documents([[1, 2], [3], [4]], truncated=np.array([0, 7, 0])).keep(np.array([True, True, False]))
    >>> tokens = documents.map(lambda record, place: [*record, 9]).as_tokens(None, "document {}".format)
    >>> [document.tolist() for document in tokens], tokens.dropped.tolist(), tokens.truncated.tolist()
    ([[1, 2, 9], [3, 9], []], [False, False, True], [0, 7, 0])
    """

    content: Sequence[Document]
    dropped: BoolArray | None = None
    truncated: Int64Array | None = None
    scored: Int64Array | None = None

    @classmethod
    def nothing(cls, count: int) -> Documents:
        """Makes ``count`` documents that are all dropped."""
        return cls([None] * count, np.ones(count, np.bool_))

    @classmethod
    def concatenate(cls, parts: Sequence[Documents]) -> Documents:
        """Joins the documents of all parts, one after the other.

        Args:
            parts: At least one; if they have fields, all of them have the same.

        >>> parts = [Documents([[1]]), Documents.nothing(1), Documents([[2]], truncated=np.array([5]))]
        >>> found = Documents.concatenate(parts)
        >>> found.content, found.dropped.tolist(), found.truncated.tolist()
        ([[1], None, [2]], [False, True, False], [0, 0, 5])
        """
        contents = [part.content for part in parts]
        if all(isinstance(content, Ragged) for content in contents):
            content: Sequence[Document] = Ragged.concatenate(cast(list[Ragged], contents))
        else:
            content = [record for records in contents for record in records]
        sizes = [len(part) for part in parts]
        counted: JsonDict = {name: joined_or_none([getattr(part, name) for part in parts], sizes) for name in COUNTED}
        return cls(content, **counted).keep(np.concatenate([part.kept for part in parts]))

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, index: Any) -> Any:
        return self.content[index]

    @property
    def kept(self) -> BoolArray:
        """bool[n], the documents that are not dropped."""
        return np.ones(len(self), np.bool_) if self.dropped is None else ~self.dropped

    @property
    def tokens(self) -> Ragged:
        """The content of documents that ``as_tokens`` returned."""
        return cast(Ragged, self.content)

    @property
    def lengths(self) -> DocumentLengths:
        """Returns the lengths of these documents, which are flat tokens. Counts of a dropped one do not matter."""
        counted: list[Int64Array | None] = [getattr(self, name) for name in COUNTED]
        counts: Int64Array | None = None
        if any(column is not None for column in counted):
            nothing = np.zeros(len(self), np.int64)
            counts = np.column_stack([nothing if column is None else column * self.kept for column in counted])
        return DocumentLengths(np.where(self.kept, self.tokens.lengths, -1), counts)

    def map(self, function: Callable[[Document, int], Document]) -> Documents:
        """Applies a function to each document that is not dropped.

        Args:
            function: Takes a record and its place, and returns a record.
        """
        records = zip(self.content, self.kept.tolist(), strict=True)
        made = [function(record, place) if kept else None for place, (record, kept) in enumerate(records)]
        return replace(self, content=made)

    def keep(self, mask: BoolArray) -> Documents:
        """Drops the documents for which bool[n] ``mask`` is false."""
        if mask.all():
            return self
        dropped = ~(mask & self.kept)
        content = self.content
        if isinstance(content, Ragged):
            content = replace(content, lengths=np.where(dropped, 0, content.lengths))
        return replace(self, content=content, dropped=dropped)

    def truncate(self, cut: Int64Array) -> Documents:
        """Counts int64[n] ``cut`` more tokens as truncated."""
        return replace(self, truncated=cut if self.truncated is None else self.truncated + cut)

    def compact(self) -> Documents:
        """Copies token documents into memory that holds nothing else."""
        return replace(self, content=self.tokens.compact())

    def take(self, indices: Int64Array) -> Documents:
        """Returns the documents at int64[m] places, in this order; repeats are allowed."""
        content = self.content
        columns: JsonDict = {name: getattr(self, name) for name in ("dropped", *COUNTED)}
        return Documents(
            content.take(indices) if isinstance(content, Ragged) else [content[place] for place in indices.tolist()],
            **{name: None if column is None else column[indices] for name, column in columns.items()},
        )

    def as_tokens(self, fields: TokenFields | None, name: NameOf) -> Documents:
        """Turns documents into flat tokens; returns the same object if they are flat tokens already.

        Args:
            fields: What to take from documents that are mappings; None if documents are tokens.
            name: Names the document at a place, for errors.

        Raises:
            RecordError: A document lacks what is to be taken, or it is not an array of tokens.
        """
        content, kept = self.content, self.kept
        if isinstance(content, Ragged) and (fields is None or content.fields is not None):
            return self
        places = np.flatnonzero(kept).tolist()
        records = [content[place] for place in places]

        def name_of_kept(number: int) -> str:
            return name(places[number])

        if fields is None:
            tokens = Ragged.from_records(records, name_of_kept)
        else:
            tokens = fields.aligned(records, name_of_kept)
        return replace(self, content=tokens if len(places) == len(self) else tokens.spread(kept))
