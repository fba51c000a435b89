"""Reads the documents of a component: its source, and the steps after it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.delivered import COUNTED
from resumable_data.errors import RecordError
from resumable_data.order.occurrences import epochs_of, records_of
from resumable_data.packing.plan import DocumentLengths
from resumable_data.reading.as_tokens import AsTokens, with_tokens
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields
from resumable_data.reading.step import Guard, Step
from resumable_data.reading.token_ids import ANY_TOKEN, TokenIds
from resumable_data.waits import Doing

_TRUNCATED = COUNTED.index("truncated")


class Reader(Protocol):
    """The reading side of a component, to which plans refer."""

    @property
    def reads_together(self) -> bool:
        """Whether many documents are read faster in one call than one by one."""
        ...

    def read(self, indices: Int64Array) -> Documents:
        """Reads the documents at int64[n] indices, of any kind."""
        ...

    def read_tokens(self, indices: Int64Array) -> Documents:
        """Reads them as flat tokens, with the fields that rows take."""
        ...

    def measure(self, indices: Int64Array) -> DocumentLengths:
        """Returns how long the documents at int64[n] indices are."""
        ...

    def name_of(self, index: int) -> str:
        """Names the document at an index, for errors."""
        ...


class RecordReader(Protocol):
    """The source of a component."""

    @property
    def reads_together(self) -> bool:
        """Whether many records are read faster in one call than one by one."""
        ...

    def read(self, records: Int64Array) -> Documents:
        """Reads its records at int64[n] places."""
        ...

    def read_columns(self, records: Int64Array, fields: TokenFields) -> Documents | None:
        """Reads them as tokens with fields, without making records; returns None if it cannot."""
        ...

    def lengths(self, records: Int64Array) -> Int64Array:
        """Returns their numbers of tokens, int64[n], if known without reading; -1 for a dropped record."""
        ...

    def name_of(self, record: int) -> str:
        """Names a record, for errors."""
        ...


class DocumentReader:
    """Reads the records of a source and applies the steps to them, one after the other.

    Indices are those of plans: records, or occurrences of records if a step is ``epoch_dependent``. The source and
    the steps before the first such step get records.

    Args:
        source: The records.
        steps: The steps, in their order.
        fields: What rows take from documents that are mappings; None if documents are tokens.
        ids: The ids that tokens can have; checked when documents are read as tokens.
    """

    def __init__(
        self,
        source: RecordReader,
        steps: Sequence[Step],
        fields: TokenFields | None = None,
        ids: TokenIds = ANY_TOKEN,
    ) -> None:
        self._source = source
        self._steps = tuple(steps)
        self._steps_to_tokens = with_tokens(steps, fields, ids)
        self._occurring = any(step.epoch_dependent for step in steps)

    @property
    def reads_together(self) -> bool:
        """Whether the source, or a step, is faster with many documents in one call."""
        return self._source.reads_together or any(step.works_together for step in self._steps)

    def read(self, indices: Int64Array) -> Documents:
        """Reads the documents, of any kind.

        Args:
            indices: int64[n].

        Raises:
            RecordError: A document is bad, or there are more bad ones than may be left out.
            SourceError: Storage fails at every attempt.
        """
        return self._after(self._steps, indices)

    def read_tokens(self, indices: Int64Array) -> Documents:
        """Reads the documents as flat tokens, with the fields that rows take.

        Args:
            indices: int64[n].

        Raises:
            RecordError: A document is bad or lacks a field, or there are more bad ones than may be left out.
            SourceError: Storage fails at every attempt.
        """
        return self._after(self._steps_to_tokens, indices)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the numbers of tokens of documents, if known without reading.

        Args:
            indices: int64[n].

        Returns:
            int64[n]; -1 for a document that is dropped.
        """
        return self.measure(indices).tokens

    def measure(self, indices: Int64Array) -> DocumentLengths:
        """Returns the lengths for plans, with the counts of documents that are known without reading."""
        lengths = np.asarray(self._source.lengths(self._records(indices)), np.int64)
        counts: Int64Array | None = None
        for step in self._steps:
            before, lengths = lengths, np.asarray(step.lengths(lengths), np.int64)
            if step.truncates:
                counts = np.zeros((len(lengths), len(COUNTED)), np.int64) if counts is None else counts
                counts[:, _TRUNCATED] += np.where(lengths < 0, 0, before - lengths)
        return DocumentLengths(lengths, counts)

    def name_of(self, index: int) -> str:
        """Names the document at an index, for errors: the source, the record, and the epoch if that decides."""
        return self._name(index, self._occurring)

    def _after(self, steps: tuple[Step, ...], indices: Int64Array) -> Documents:
        """Applies the first steps to all documents at once.

        If the steps before a guard fail, they run again on fewer and fewer documents.
        """
        last = max((place for place, step in enumerate(steps) if isinstance(step, Guard)), default=-1)
        guard = steps[last] if last >= 0 else None
        if isinstance(guard, Guard):
            documents = self._guarded(guard, steps[:last], indices)
        else:
            documents = self._source_documents(steps, self._records(indices))
        occurring = any(step.epoch_dependent for step in steps[: last + 1])
        maker = next((step.maker for step in reversed(steps[: last + 1]) if step.maker is not None), None)
        for step in steps[last + 1 :]:
            occurring = occurring or step.epoch_dependent
            own = indices if occurring else self._records(indices)
            with Doing(partial(self._working, step, indices, occurring), step.work):
                documents = step.apply(documents, own, self._naming(indices, occurring, maker))
            maker = step.maker or maker
        return documents

    def _guarded(self, guard: Guard, steps: tuple[Step, ...], indices: Int64Array) -> Documents:
        """Applies the steps before a guard, which leaves out the bad documents."""
        try:
            return self._after(steps, indices)
        except RecordError as error:
            if len(indices) == 1:
                guard.leave_out(int(indices[0]), error)
                tokens = [step for step in steps if isinstance(step, AsTokens)]
                return tokens[0].nothing() if tokens else Documents.nothing(1)
        # In halves, so that most sound documents are still read many at a time.
        halves = np.array_split(indices, 2)
        return Documents.concatenate([self._guarded(guard, steps, half) for half in halves])

    def _source_documents(self, steps: tuple[Step, ...], records: Int64Array) -> Documents:
        """Reads the source's records, from columns if only tokens are needed."""
        first = steps[0] if steps else None
        if isinstance(first, AsTokens) and first.fields is not None:
            found = self._source.read_columns(records, first.fields)
            if found is not None:
                return found
        return self._source.read(records)

    def _records(self, indices: Int64Array) -> Int64Array:
        return records_of(indices) if self._occurring else indices

    def _working(self, step: Step, indices: Int64Array, occurring: bool) -> str:
        first = f", from {self._name(int(indices[0]), occurring)} on" if len(indices) else ""
        return f"{step.name} of {len(indices)} documents{first}"

    def _naming(self, indices: Int64Array, occurring: bool, maker: str | None) -> NameOf:
        """Returns what names documents in the errors of a step: as results of the step that made them, if one did."""
        made = "" if maker is None else f"the result of {maker} for "
        return lambda place: made + self._name(int(indices[place]), occurring)

    def _name(self, index: int, occurring: bool) -> str:
        one = np.array([index])
        name = self._source.name_of(int(self._records(one)[0]))
        return f"{name}, epoch {int(epochs_of(one)[0])}" if occurring else name
