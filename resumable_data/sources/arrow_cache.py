"""Converts files to Arrow, once a machine, in the cache of ``datasets``."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib import import_module
from typing import Any, BinaryIO, cast

from etils import epath

from resumable_data.digest import digest
from resumable_data.errors import SourceError
from resumable_data.opaque import HuggingFace
from resumable_data.sources.column_files import ColumnFiles
from resumable_data.sources.file_places import FilePlaces
from resumable_data.sources.retries import Retries
from resumable_data.sources.shard_facts import sample_of
from resumable_data.system_errors import explain

_VERSION = "2"
_PLACES_FILE = "places.json"


def convert_column(files: ColumnFiles, cache_dir: epath.PathLike | None) -> tuple[HuggingFace, FilePlaces]:
    """Maps a ``datasets.Dataset`` of one column from the cache. If it is not there, it is converted first.

    Returns:
        The dataset, and the places of its records in the files.

    Raises:
        SourceError: A file cannot be read, or the cache cannot be written.
    """
    folder = cache_folder(files.files, cache_dir, files.column, files.kind)
    path = folder / "column.arrow"
    with _locked(folder):
        if not path.exists():
            _convert(files, path)
    places = FilePlaces(files.files, **json.loads((folder / _PLACES_FILE).read_text()))
    return import_module("datasets").Dataset.from_file(os.fspath(path)), places


def convert_whole(files: Sequence[epath.Path], kind: str, cache_dir: epath.PathLike | None) -> HuggingFace:
    """Maps a ``datasets.Dataset`` of all columns, as ``datasets`` converts them.

    Raises:
        SourceError: A file cannot be read, or the cache cannot be written.
    """
    folder = cache_folder(files, cache_dir, "", kind)
    read = getattr(import_module("datasets").Dataset, f"from_{kind}")
    settings = {"encoding": "utf-8-sig"} if kind == "text" else {}  # without a byte order mark
    # Brackets in a folder's name must not be read as a pattern.
    escaped = [glob.escape(os.fspath(file)) for file in files]
    try:
        return read(escaped, cache_dir=os.fspath(folder), **settings)
    except Exception as error:
        cause = error.__cause__ or error
        if isinstance(cause, OSError) and cause.errno is not None:
            at = cause.filename or f"{files[0].name} … or the cache {folder}"
            raise SourceError(f"{at}: {explain(cause)}") from cause
        name = f"{files[0].name}{' …' if len(files) > 1 else ''}"
        raise SourceError(f"{name} cannot be read: {cause!r}") from cause


def cache_folder(files: Sequence[epath.Path], cache_dir: epath.PathLike | None, *settings: str) -> epath.Path:
    """Makes the cache folder for these files as they are now.

    ``datasets`` compares files by path, size and time only, and does not compare unpacked files at all. So each
    content gets its own folder.

    Raises:
        SourceError: A file cannot be read, or the folder cannot be made.
    """
    base = import_module("datasets").config.HF_DATASETS_CACHE if cache_dir is None else cache_dir
    samples = [Retries().read(partial(sample_of, file), str(file)) for file in files]
    name = digest(_VERSION, *settings, *map(str, files), *samples)
    folder = epath.Path(base) / f"resumable_data-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder


def _locked(folder: epath.Path) -> AbstractContextManager[object]:
    """Locks the folder, so that no other process of this machine converts the same files meanwhile."""
    return import_module("filelock").FileLock(os.fspath(folder / "lock"))


def _convert(files: ColumnFiles, path: epath.Path) -> None:
    pa: Any = import_module("pyarrow")
    target = files.type()
    schema = pa.schema({files.column: target})
    records = [0] * len(files.files)
    blanks: list[bool | None] = [None] * len(files.files)
    temporary = path.parent / f"{path.name}.{os.getpid()}.tmp"
    try:
        with cast(BinaryIO, temporary.open("wb")) as opened, pa.ipc.new_stream(opened, schema) as writer:
            for file, piece in files.pieces(target):
                writer.write_table(pa.table([piece.values], schema=schema))
                records[file] += len(piece.values)
                blanks[file] = blanks[file] or piece.blanks
        (path.parent / _PLACES_FILE).write_text(json.dumps({"records": records, "blanks": blanks}))
        temporary.replace(path)
    except SourceError:
        temporary.unlink(missing_ok=True)
        raise
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritable(path.parent, error) from error


def _unwritable(folder: epath.Path, error: OSError) -> SourceError:
    return SourceError(f"the cache {folder} cannot be written: {explain(error)}. Or pass another cache_dir=")
