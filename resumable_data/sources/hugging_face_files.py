"""Opens files as a Hugging Face dataset, with the bad records and the places of all records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import cast

from etils import epath

from resumable_data.errors import SourceError
from resumable_data.opaque import HuggingFace
from resumable_data.sources.arrow_cache import convert_column, convert_whole
from resumable_data.sources.column_files import ColumnFiles
from resumable_data.sources.file_lines import first_type, json_lines
from resumable_data.sources.file_places import FilePlaces
from resumable_data.sources.mended_lines import LineKind, mended
from resumable_data.sources.retries import is_of_storage
from resumable_data.system_errors import explain

_KINDS = {".parquet": "parquet", ".jsonl": "json", ".ndjson": "json", ".json": "json", ".txt": "text"}
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class FileRecords:
    """The records of files.

    Attributes:
        dataset: A ``datasets.Dataset`` of them.
        bad: From the number of a bad record to what is wrong with it, and where.
        places: The places of the records; None if they are not known.
    """

    dataset: HuggingFace
    bad: Mapping[int, str]
    places: FilePlaces | None


def open_files(files: Sequence[epath.Path], column: str | None, cache_dir: epath.PathLike | None) -> FileRecords:
    """Opens the records of files of one kind. Files that are not in the cache are converted.

    Args:
        files: The files, in the order of their records.
        column: The column that is read; None for whole records.
        cache_dir: Where the Arrow files lie; in the cache of ``datasets`` if it is None.

    Raises:
        SourceError: A file is missing, damaged, or of another kind, none has a record, or the cache cannot be
            written.
    """
    kind = _kind_of(files)

    def convert(files: Sequence[epath.Path]) -> tuple[HuggingFace, FilePlaces | None]:
        if column is None:
            return convert_whole(files, kind, cache_dir), None
        return convert_column(ColumnFiles(files, column, kind), cache_dir)

    empty = _empty_among(files, kind)
    try:
        if not empty:
            dataset, places = convert(files)
            return FileRecords(dataset, {}, places)
        failure = SourceError(f"{', '.join(map(str, empty))}: empty (0 bytes, no records), and no other file has any")
    except SourceError as error:
        if kind == "parquet" or error.__cause__ is None or is_of_storage(error.__cause__):
            raise
        failure = error
    line_kind = _line_kind(files, kind, column)
    found = None if line_kind is None else mended(files, line_kind, cache_dir)
    if found is None or not 0 < len(found.bad) < sum(found.places.records):
        raise failure
    dataset, _ = convert(found.files)
    assert len(dataset) == sum(found.places.records)
    return FileRecords(dataset, found.bad, None if column is None else found.places)


def _line_kind(files: Sequence[epath.Path], kind: str, column: str | None) -> LineKind | None:
    """Finds what lines should hold, in files that have bad ones; returns None if no line holds it.

    Raises:
        SourceError: A file cannot be read at all.
    """
    if kind == "text" or column is None:
        return LineKind(json=kind == "json")
    for file in files:
        try:
            for lines in json_lines(file):
                if (found := first_type(lines, column)) is not None:
                    return LineKind(True, column, tokens=found == "tokens")
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {explain(error)}") from error
    return None


def _kind_of(files: Sequence[epath.Path]) -> str:
    """Returns the one kind of all files: ``parquet``, ``json`` or ``text``."""
    suffixes = {_suffix_of(file) for file in files}
    kinds = {_KINDS.get(suffix) for suffix in suffixes}
    if len(kinds) > 1 or None in kinds:
        found = ", ".join(sorted(suffix or "without a suffix" for suffix in suffixes))
        raise SourceError(f"files must be of one kind, out of {', '.join(_KINDS)}; these are {found}")
    return cast(str, kinds.pop())


def _empty_among(files: Sequence[epath.Path], kind: str) -> list[epath.Path]:
    """Returns the files of lines that have no bytes.

    Raises:
        SourceError: A file cannot be found. Or it is empty, and it is the only one or of a kind that is never empty.
    """
    empty: list[epath.Path] = []
    for file in files:
        try:
            size = file.stat().length
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {explain(error)}") from error
        if size == 0:
            empty.append(file)
    if empty and (len(files) == 1 or kind == "parquet"):
        raise SourceError(f"{empty[0]} is empty (0 bytes, no records); write or copy it again, or leave it out")
    return empty


def _suffix_of(file: epath.Path) -> str:
    """Returns the suffix that tells the kind of a file, without the suffix of a compression."""
    name = file.name.lower()
    for compressed in _COMPRESSED:
        name = name.removesuffix(compressed)
    return PurePath(name).suffix
