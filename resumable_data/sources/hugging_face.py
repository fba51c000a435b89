"""Records of a Hugging Face dataset, which lies in memory-mapped Arrow files."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import numpy as np
from etils import epath

from resumable_data.arguments import as_path, as_text, kind_of, optional, shown
from resumable_data.arrays import Int64Array
from resumable_data.compat import row_mapping_of
from resumable_data.digest import digest
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.opaque import HuggingFace, JsonDict, Record
from resumable_data.sources.arrow_column import ArrowColumn, layout_of
from resumable_data.sources.file_places import FilePlaces
from resumable_data.sources.hugging_face_columns import NumberColumns
from resumable_data.sources.hugging_face_files import FileRecords, open_files
from resumable_data.sources.hugging_face_records import Records, TokenRecords, WholeRecords, records_of
from resumable_data.sources.shards import find_shards
from resumable_data.sources.source import Column, check_indices, digests_or_bad, evenly_spaced
from resumable_data.system_errors import explain

_LOG = logging.getLogger(__name__)

_SAMPLED_RECORDS = 1024
_LENGTHS_AT_ONCE = 1 << 20


class HuggingFaceSource:
    """A ``datasets.Dataset``: its token column, its text column, or whole records.

    A column of integer lists gives token documents whose lengths are known. A column of text, or of bytes that are
    UTF-8, gives strings. Without ``column`` a record is a dictionary of Python values, as ``dataset[index]`` is. If
    rows take ``fields``, and no stage before them needs the dictionaries, they read only the columns of tokens and
    fields, from Arrow's memory. The dataset may be sharded, concatenated, selected from, sorted or shuffled: records
    come in the dataset's order.

    The fingerprint covers the records themselves: their number, their size, and a sample. The dataset's own
    fingerprint is not used: it changes with the folder and the time of the files, and does not change if the files
    of a saved dataset are replaced.

    Args:
        dataset: One split, with random access and without a transform of its own.
        column: The column that holds the documents; None for whole records.
        name: The name of this source in error messages.

    Raises:
        PipelineError: It is not such a dataset, or the package ``datasets`` is not installed.
        SourceError: There are no records, or the column is missing or holds neither tokens nor text.

    >>> import datasets
    >>> source = HuggingFaceSource(datasets.Dataset.from_dict({"tokens": [[1, 2, 3], [4, 5]]}), "tokens")
    >>> [tokens.tolist() for tokens in source.read(np.array([1, 0]))], source.lengths(np.array([1, 0])).tolist()
    ([[4, 5], [1, 2, 3]], [2, 3])
    """

    def __init__(
        self, dataset: HuggingFace, column: str | None = None, *, name: str = "Hugging Face dataset"
    ) -> None:
        as_text("HuggingFaceSource: name", name)
        column = optional(as_text, "HuggingFaceSource: column", column)
        _require_dataset(dataset, name)
        self._dataset = dataset
        self._column = column
        self._name = name
        self._bad: Mapping[int, str] = {}  # what is wrong with lines of files, by record
        self._places: FilePlaces | None = None  # in files, if it is over files and that is known
        self._records: Records = records_of(dataset, column, name)
        self._rows = _row_mapping(dataset, name)
        stored_as_read = isinstance(self._records, WholeRecords) and not self._records.decodes
        self._columns = NumberColumns(dataset.data, name) if stored_as_read else None

    @classmethod
    def from_files(
        cls,
        paths: epath.PathLike | Sequence[epath.PathLike],
        column: str | None = None,
        *,
        cache_dir: epath.PathLike | None = None,
    ) -> HuggingFaceSource:
        """Opens Parquet, JSON Lines or text files, compressed or not.

        A text file has one column, ``text``, and a record a line. The files are converted to Arrow in the cache of
        ``datasets``, once a machine, and mapped into memory. Columns other than the named one are not read.

        Args:
            paths: A glob pattern, a file, or a list of these, all of one kind. The files of a pattern come in
                natural order (``part_10`` after ``part_2``); a list keeps its own.
            column: As in the class.
            cache_dir: Where the Arrow files lie; in the cache of ``datasets`` by default.

        A line is a bad record if it does not parse, or if the column holds neither text nor a list of integers. The
        lost end of a compressed file that is cut short counts as one bad record, and so does an empty file among
        others. A warning counts the bad records. Reading one is an error, unless ``skip_bad_records`` leaves it out.
        A null is a bad record too. The first text or list in the column decides which of the two all have to be.

        Raises:
            SourceError: A file is missing, damaged, or of another kind, none has a record, or the cache cannot be
                written.
        """
        _import_datasets()
        column = optional(as_text, "HuggingFaceSource.from_files: column", column)
        cache_dir = optional(as_path, "HuggingFaceSource.from_files: cache_dir", cache_dir)
        files = find_shards(paths)
        found = open_files(files, column, cache_dir)
        name = f"{files[0].name}{' …' if len(files) > 1 else ''}"
        if bad := found.bad:
            first = bad[min(bad)]
            _LOG.warning("%s: %d of %d records are bad, the first is %s", name, len(bad), len(found.dataset), first)
        return cls._of_files(found, column, name)

    @classmethod
    def from_disk(cls, path: epath.PathLike, column: str | None = None) -> HuggingFaceSource:
        """Opens a folder that ``Dataset.save_to_disk`` wrote.

        Args:
            path: The folder.
            column: As in the class.

        Raises:
            SourceError: There is no such dataset.
        """
        datasets, folder = _import_datasets(), os.fspath(as_path("HuggingFaceSource.from_disk: path", path))
        try:
            dataset = datasets.load_from_disk(folder)
        except Exception as error:
            cause = error.__cause__ or error
            if isinstance(cause, OSError) and cause.errno is not None:
                at = f"{cause.filename}: " if cause.filename else ""
                raise SourceError(
                    f"{folder} cannot be read as a dataset of save_to_disk: {at}{explain(cause)}"
                ) from cause
            raise SourceError(f"{folder} cannot be read as a dataset of save_to_disk: {error!r}") from error
        return cls(dataset, column, name=epath.Path(folder).name)

    @classmethod
    def _of_files(cls, records: FileRecords, column: str | None, name: str) -> HuggingFaceSource:
        source = cls(records.dataset, column, name=name)
        source._bad, source._places = records.bad, records.places
        return source

    def __len__(self) -> int:
        return len(self._dataset)

    def __repr__(self) -> str:
        column = "" if self._column is None else f", column {self._column!r}"
        return f"{self._name}{column} ({len(self)} records)"

    def __reduce__(self) -> tuple[object, ...]:
        # Facts about the memory hold only in this process.
        records = FileRecords(self._dataset, self._bad, self._places)
        return HuggingFaceSource._of_files, (records, self._column, self._name)

    def read(self, indices: Int64Array) -> Sequence[Record]:
        """Reads the records at int64[n] indices: a ``Ragged`` of tokens, or a list of texts or dictionaries.

        Raises:
            RecordError: A record is null, is not UTF-8 text, or holds a token that int32 cannot.
            SourceError: The Arrow data is damaged.
        """
        self._refuse_bad(indices)
        return self._records.read(self._rows_at(indices), lambda place: self._name_of(int(indices[place])))

    def file_of(self, index: int) -> str | None:
        """Returns the path of the file that holds a record; None if the dataset was not opened from files."""
        return None if self._places is None else self._places.file(index)

    def line_of(self, index: int) -> int | None:
        """Returns the line of a record in its file, from 1; None if records are not lines of files."""
        return None if self._places is None else self._places.line(index)

    def fingerprint(self) -> str:
        """Digests the record count, the total length, and up to 1,024 records spread evenly.

        Files, chunks and integer types do not change the fingerprint of the same records. A bad record counts as bad.
        """
        return self.fingerprint_of_first(len(self))

    def fingerprint_of_first(self, records: int) -> str:
        """Returns the fingerprint of the first records alone."""
        digests = digests_or_bad(evenly_spaced(records, _SAMPLED_RECORDS), self._digests)
        return digest("hugging-face", str(records), str(self._total_length(records)), *digests)

    def _digests(self, indices: Int64Array) -> list[str]:
        self._refuse_bad(indices)
        return self._records.digests(self._rows_at(indices), lambda place: self._name_of(int(indices[place])))

    @property
    def lengths_known(self) -> bool:
        """Whether records are tokens."""
        return isinstance(self._records, TokenRecords)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the number of tokens of each record, int64[n], from the Arrow offsets.

        Raises:
            RecordError: A record is null.
        """
        self._refuse_bad(indices)
        records = cast(TokenRecords, self._records)
        return records.lengths(self._rows_at(indices), lambda place: self._name_of(int(indices[place])))

    def read_columns(self, indices: Int64Array, names: Sequence[str]) -> Mapping[str, Column] | None:
        """Reads columns of lists of numbers from Arrow's memory.

        Returns:
            None if records are not mappings that are stored as they are read, or if a column holds something else or
            a null.
        """
        if self._columns is None:
            return None
        if self._bad and any(index in self._bad for index in indices.tolist()):
            return None
        return self._columns.read(self._rows_at(indices), names)

    def _rows_at(self, indices: Int64Array) -> Int64Array:
        check_indices(indices, len(self), repr(self))
        return indices if self._rows is None else self._rows.integers(indices, "u8").astype(np.int64)

    def _refuse_bad(self, indices: Int64Array) -> None:
        """Raises RecordError if one of the records stands for a bad line."""
        for index in indices.tolist() if self._bad else ():
            if index in self._bad:
                raise RecordError(f"{self!r}, record {index} is bad: {self._bad[index]}")

    def _name_of(self, index: int) -> str:
        place = "" if self._places is None else f" ({self._places.name(index)})"
        return f"{self!r}, record {index}{place}"

    def _total_length(self, records: int) -> int:
        """Returns the number of tokens or bytes of the first records; 0 for whole records."""
        column = self._records.column
        if column is None:
            return 0
        if self._rows is None and records == len(self):
            return column.size
        blocks = (
            np.arange(start, min(start + _LENGTHS_AT_ONCE, records)) for start in range(0, records, _LENGTHS_AT_ONCE)
        )
        return sum(int(column.extents(self._rows_at(block)).lengths.sum()) for block in blocks)


def _row_mapping(dataset: HuggingFace, name: str) -> ArrowColumn | None:
    """Returns the table's row for each index, if ``select`` or ``shuffle`` made them differ."""
    mapping = row_mapping_of(dataset)
    if mapping is None:
        return None
    column = mapping.column(0)
    layout = layout_of(column.type)
    assert layout is not None
    return ArrowColumn(column, layout, f"{name}, indices mapping")


def _require_dataset(dataset: HuggingFace, name: str) -> None:
    """Raises an error if this is not a dataset with random access, or if it has a transform of its own."""
    datasets = _import_datasets()
    if isinstance(dataset, dict):
        raise PipelineError(
            f"{name} has the splits {', '.join(cast(JsonDict, dataset))}: pass one, as dataset['train'] is"
        )
    if isinstance(dataset, str | os.PathLike):
        raise PipelineError(
            f"HuggingFaceSource: {shown(cast(object, dataset))} is a path or a name, not a datasets.Dataset: open "
            "files with HuggingFaceSource.from_files(paths, column), a folder of save_to_disk with "
            "HuggingFaceSource.from_disk(path, column), what is on the Hub with "
            "datasets.load_dataset(name, split='train')"
        )
    if not isinstance(dataset, datasets.Dataset):
        raise PipelineError(
            f"HuggingFaceSource: {kind_of(dataset)} is not a datasets.Dataset. One that streams (IterableDataset) "
            "has no random access: load it without streaming=True, or use HuggingFaceIterableSource"
        )
    if dataset.format["type"] == "custom":
        raise PipelineError(
            f"{name} has a transform (with_transform), which this source would leave out: take it off with "
            "dataset.with_format(None), and pass the function to map() of the pipeline"
        )
    if len(dataset) == 0:
        raise SourceError(f"{name} has no records")


def _import_datasets() -> Any:
    try:
        return import_module("datasets")
    except ModuleNotFoundError as error:
        raise PipelineError(
            "HuggingFaceSource needs the package datasets: pip install 'resumable_data[hugging-face]'"
        ) from error
