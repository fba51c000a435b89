"""A data set of another length: longer, with records that score nothing, or shorter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.digest import digest
from resumable_data.errors import PipelineError, SourceError
from resumable_data.opaque import Indexable, JsonDict, Record
from resumable_data.reading.documents import Documents
from resumable_data.sources.grain_source import GrainSource, RandomAccess
from resumable_data.sources.hugging_face import HuggingFaceSource
from resumable_data.sources.source import Source, SourceWithLengths, check_indices, knows_lengths


class PaddedDataset:
    """A data set of another length: with padding after its records, or only its first records.

    Padding stands at the end of the order. Its index gives ``empty_sequence``. In a pipeline it is a document that is
    dropped: no stage can add a token to it, and nothing of it is ever scored. It becomes the rows without tokens with
    which ``batch(…, drop_remainder=False)`` fills up the last batch.

    Args:
        dataset: An ``ArrayRecordSource``, a ``datasets.Dataset``, another source, or an object with ``len`` and
            ``[index]``.
        full_dataset_length: Records with padding. If it is smaller than the data set, only so many records are used.
        column_name: The column of the documents.

    Raises:
        PipelineError: The data set has no random access, or the length is below 1.

    >>> import resumable_data as rd
    >>> padded = PaddedDataset(rd.InMemorySource([[1, 2], [3]]), 4, "text")
    >>> len(padded), list(map(len, padded)), padded.lengths(np.arange(4)).tolist()
    (4, [2, 1, 0, 0], [2, 1, -1, -1])
    >>> rows = rd.Dataset.from_source(padded).append_eod(9).pad(3, eod_id=9)
    >>> batch = next(iter(rows.batch(4, drop_remainder=False)))
    >>> batch.targets_segmentation.tolist()
    [[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    """

    def __init__(self, dataset: Indexable, full_dataset_length: int, column_name: str) -> None:
        if full_dataset_length < 1:
            raise PipelineError(f"full_dataset_length={full_dataset_length} must be at least 1 record")
        self.dataset = dataset
        self.full_dataset_length = full_dataset_length
        self.column_name = column_name
        self._source = as_source(dataset, column_name)

    def __len__(self) -> int:
        return self.full_dataset_length

    def __repr__(self) -> str:
        return f"{self._source!r} as {len(self)} records"

    def __getitem__(self, index: int) -> Record:
        check_indices(np.array([index]), len(self), repr(self))
        return _record(self.dataset, int(index)) if index < len(self.dataset) else self.empty_sequence

    def __reduce__(self) -> tuple[object, ...]:
        return PaddedDataset, (self.dataset, self.full_dataset_length, self.column_name)

    @property
    def empty_sequence(self) -> Record:
        """An empty record of the same kind as the first: bytes, text, tokens, or ``{column_name: …}`` of these.

        Raises:
            PipelineError: A record is of another kind.
        """
        return _empty(_record(self.dataset, 0), self.column_name)

    def read(self, indices: Int64Array) -> Sequence[Record]:
        """Reads the records at int64[n] indices. Padding is marked as left out.

        Raises:
            RecordError: A record is bad.
            SourceError: The data cannot be read.
        """
        check_indices(indices, len(self), repr(self))
        real = indices < len(self._source)
        records = self._source.read(np.where(real, indices, 0))
        if real.all():
            return records
        return (records if isinstance(records, Documents) else Documents(records)).keep(real)

    def fingerprint(self) -> str:
        """Returns a digest of the data set's own fingerprint and of the length."""
        return digest("padded", self._source.fingerprint(), str(len(self)))

    @property
    def lengths_known(self) -> bool:
        """Whether the lengths of the data set are known."""
        return knows_lengths(self._source)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the tokens of each record, int64[n]; -1 for padding."""
        check_indices(indices, len(self), repr(self))
        real = indices < len(self._source)
        found = cast(SourceWithLengths, self._source).lengths(np.where(real, indices, 0))
        return np.where(real, found, -1)


def pad_dataset(dataset: Indexable, global_batch_size: int, column_name: str) -> PaddedDataset:
    """Pads a data set to a multiple of the global batch.

    Args:
        dataset: As in ``PaddedDataset``.
        global_batch_size: Rows a batch, over all processes.
        column_name: The column of the documents.

    Returns:
        The padded data set, also if no padding is needed.

    Raises:
        PipelineError: The data set has no random access, or the batch is below 1.

    >>> len(pad_dataset([[1]] * 10, 4, "text"))
    12
    """
    if global_batch_size < 1:
        raise PipelineError(f"global_batch_size={global_batch_size} must be at least 1 row")
    if not hasattr(dataset, "__len__"):
        raise PipelineError(f"{type(dataset).__name__} has no length: give a data set with random access")
    return PaddedDataset(dataset, -(-len(dataset) // global_batch_size) * global_batch_size, column_name)


def as_source(dataset: Indexable, column_name: str) -> Source:
    """Makes a source of a data set. Of a ``datasets.Dataset`` it reads only the column.

    Raises:
        PipelineError: It has no random access.
        SourceError: It has no records, or no such column.
    """
    if isinstance(dataset, Source):
        return dataset
    if is_hugging_face(dataset):
        return HuggingFaceSource(dataset, column_name)
    return GrainSource(dataset, name=f"{type(dataset).__name__} of records")


def is_hugging_face(dataset: Indexable) -> bool:
    """Says whether it is an object of the package ``datasets``, without importing the package."""
    return any(kind.__module__.partition(".")[0] == "datasets" for kind in type(dataset).__mro__)


def _record(dataset: Indexable, index: int) -> Record:
    if isinstance(dataset, RandomAccess):
        return dataset[index]
    return dataset.read(np.array([index]))[0]


def _empty(record: Record, column_name: str) -> Record:
    if isinstance(record, dict):
        columns = cast(JsonDict, record)
        if column_name not in columns:
            raise SourceError(f"the records have no column {column_name!r}, only {', '.join(columns)}")
        return {column_name: _empty(columns[column_name], column_name)}
    if isinstance(record, bytes | str | list | tuple | np.ndarray):
        return cast(Any, record)[:0]
    raise PipelineError(
        f"a record is a {type(record).__name__}, which cannot be padded: give bytes, text, tokens, or mappings"
    )
