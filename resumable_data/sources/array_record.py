"""Records in ArrayRecord files: many shards, read in batches, several files at once."""

from __future__ import annotations

import copy
import os
import re
import shlex
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
from array_record.python import array_record_module  # pyright: ignore
from etils import epath
from tqdm import tqdm

from resumable_data.arrays import Int64Array, Ragged, offsets_of
from resumable_data.digest import callable_name, digest
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.locks import ForkLock
from resumable_data.sources.lengths_index import SUFFIX, LengthArray, LengthsIndex, require_single_process
from resumable_data.sources.parse import BatchParser
from resumable_data.sources.retries import Retries
from resumable_data.sources.source import check_indices, evenly_spaced

_OPEN_FILES = 128
_READ_AT_ONCE = 4096
# The footer with the chunks' places ends in front of a postscript block of 64 KiB.
_SAMPLED_BLOCKS, _BLOCK_BYTES, _FOOTER_BYTES = 16, 4096, 262_144
_RANDOM_ACCESS = "readahead_buffer_size:0,max_parallelism:0"


class _Reader(Protocol):
    """What is used of array_record's own reader, which has no types."""

    def num_records(self) -> int: ...
    def read(self, indices: list[int]) -> list[bytes]: ...
    def close(self) -> None: ...


class ArrayRecordSource:
    """Documents in ArrayRecord shards.

    Args:
        paths: A glob pattern, a file, or a list of either. The shards of a pattern come in natural order
            (``shard_10`` behind ``shard_2``); a list keeps its own.
        parse: From a record's bytes to a document. ``parse_int32_tokens`` for raw int32 tokens; any callable
            otherwise, which counts in the fingerprint by its qualified name.
        version: Change it whenever ``parse`` comes to mean something else.
        index_dir: Where the lengths indexes lie; beside the shards by default.
        progress: Whether building an index shows a progress bar.

    Raises:
        SourceError: A file is missing or holds no records (a truncated ArrayRecord reads as empty).
        PipelineError: ``parse`` has no name that lasts.
    """

    def __init__(
        self,
        paths: epath.PathLike | Sequence[epath.PathLike],
        parse: Callable[[bytes], Any],
        *,
        version: str | None = None,
        index_dir: epath.PathLike | None = None,
        progress: bool = True,
    ) -> None:
        self._set_parser(parse, version)
        self._index_dir = None if index_dir is None else epath.Path(index_dir)
        self._progress = progress
        listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        self._patterns = [os.fspath(path) for path in listed]
        self._files = _OpenFiles(find_shards(paths))
        counts = [self._files.count(number) for number in range(len(self._files.paths))]
        self._first_record = offsets_of(np.array(counts, np.int64))  # int64[n_files + 1]

    def __len__(self) -> int:
        return int(self._first_record[-1])

    def __repr__(self) -> str:
        paths = self._files.paths
        return f"ArrayRecord source {paths[0].name}{' …' if len(paths) > 1 else ''} ({len(self)} records)"

    def __getitem__(self, index: int) -> Any:
        """The document at an index, as a data source of Grain gives it. Hundreds are read faster with ``read``."""
        return self.read(np.array([index]))[0]

    def __getstate__(self) -> dict[str, Any]:
        # Another process maps the lengths itself, instead of being sent them.
        return {name: value for name, value in self.__dict__.items() if name != "_lengths"}

    def read(self, indices: Int64Array) -> Ragged | list[Any]:
        """Documents at int64[n] indices: a ``Ragged`` where ``parse`` reads batches, else a list.

        Raises:
            RecordError: A record cannot be parsed.
            SourceError: A file cannot be read.
        """
        check_indices(indices, len(self), repr(self))
        stretches = list(self._by_file(indices))
        found = self._files.read_all(stretches)
        if len(found) == 1:
            return self._parsed(found[0], indices)
        records: list[bytes] = [b""] * len(indices)
        for stretch, of_file in zip(stretches, found, strict=True):
            for place, record in zip(stretch.places.tolist(), of_file, strict=True):
                records[place] = record
        return self._parsed(records, indices)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Tokens of each document, int64[n], from the lengths index, which the first call builds if need be.

        Raises:
            SourceError: The index is damaged, cannot be written, or is missing in a multi-process run.
            RecordError: A record cannot be parsed.
        """
        check_indices(indices, len(self), repr(self))
        lengths = np.empty(len(indices), np.int64)
        for stretch in self._by_file(indices):
            lengths[stretch.places] = self._lengths[stretch.file][stretch.records]
        return lengths

    def fingerprint(self) -> str:
        """Digest of each shard's name, size, record count and sampled bytes, and of the parser."""
        return digest("array-record", self._parser_name, *self._shard_fingerprints)

    def build_index(self) -> None:
        """Counts the token lengths of every shard that has no index yet; a no-op where all have one."""
        indexes = [self._index_of(number) for number in range(len(self._files.paths))]
        missing = [number for number, index in enumerate(indexes) if index.load() is None]
        if not missing:
            return
        folder = "" if self._index_dir is None else f" --index-dir {shlex.quote(str(self._index_dir))}"
        require_single_process(f"resumable-data index {shlex.join(self._patterns)}{folder}")
        total = sum(int(np.diff(self._first_record)[number]) for number in missing)
        with _ProgressBar(total=total, desc="lengths index", unit=" records", disable=not self._progress) as bar:
            for number in missing:
                indexes[number].build(self._count_lengths(number, bar))

    @property
    def parse(self) -> Callable[[bytes], Any]:
        """From a record's bytes to a document."""
        return self._parse

    def parsed_by(self, parse: Callable[[bytes], Any]) -> ArrayRecordSource:
        """The same open files, with records parsed by something else.

        Raises:
            PipelineError: ``parse`` has no name that lasts.
        """
        other = copy.copy(self)
        other._set_parser(parse, None)
        return other

    def close(self) -> None:
        """Closes the files and the lengths indexes; they are opened again when needed."""
        self._files.close()
        self.__dict__.pop("_lengths", None)

    def _set_parser(self, parse: Callable[[bytes], Any], version: str | None) -> None:
        try:
            self._parser_name = callable_name(parse, None, version)
        except ValueError as error:
            raise PipelineError(f"parse=: {error}") from error
        self._parse = parse
        self._batch_parser = parse if isinstance(parse, BatchParser) else None

    @cached_property
    def _lengths(self) -> list[LengthArray]:
        self.build_index()
        return [self._loaded_index(number) for number in range(len(self._files.paths))]

    @cached_property
    def _shard_fingerprints(self) -> list[str]:
        counts = np.diff(self._first_record).tolist()
        return [shard_fingerprint(path, count) for path, count in zip(self._files.paths, counts, strict=True)]

    def _index_of(self, number: int) -> LengthsIndex:
        shard = self._files.paths[number]
        key = digest(self._shard_fingerprints[number], self._parser_name)
        directory = shard.parent if self._index_dir is None else self._index_dir
        return LengthsIndex(shard, directory, key, int(np.diff(self._first_record)[number]))

    def _loaded_index(self, number: int) -> LengthArray:
        index = self._index_of(number)
        lengths = index.load()
        if lengths is None:
            raise SourceError(f"the lengths index {index.path} was removed while it was in use")
        return lengths

    def _count_lengths(self, number: int, bar: Any) -> Iterator[Int64Array]:
        first, stop = self._first_record[number : number + 2].tolist()
        for start in range(first, stop, _READ_AT_ONCE):
            indices = np.arange(start, min(start + _READ_AT_ONCE, stop))
            documents = Retries().read(partial(self.read, indices), repr(self))
            if isinstance(documents, Ragged):
                yield documents.lengths
            else:
                yield np.array(
                    [self._length(d, i) for d, i in zip(documents, indices.tolist(), strict=True)], np.int64
                )
            bar.update(len(indices))

    def _length(self, document: Any, index: int) -> int:
        try:
            return len(document)
        except TypeError as error:
            raise RecordError(f"{self._where(index)}: {error}; parse= returns a sequence of tokens") from error

    def _by_file(self, indices: Int64Array) -> Iterator[_Stretch]:
        """Splits the indices by the file they lie in."""
        if not len(indices):
            return
        if len(self._files.paths) == 1:
            yield _Stretch(0, np.arange(len(indices)), indices)
            return
        files = np.searchsorted(self._first_record, indices, side="right") - 1
        order = np.argsort(files, kind="stable")
        found, firsts = np.unique(files[order], return_index=True)
        for file, places in zip(found.tolist(), np.split(order, firsts[1:]), strict=True):
            yield _Stretch(file, places, indices[places] - self._first_record[file])

    def _parsed(self, records: list[bytes], indices: Int64Array) -> Ragged | list[Any]:
        try:
            if self._batch_parser is not None:
                return self._batch_parser.batch(records)
        except RecordError:
            pass  # One of them is bad: parse one by one, to be able to say which.
        documents: list[Any] = []
        for record, index in zip(records, indices.tolist(), strict=True):
            try:
                documents.append(self._parse(record))
            except Exception as error:
                raise RecordError(f"{self._where(index)}: {error}") from error
        return documents

    def _where(self, index: int) -> str:
        file = int(np.searchsorted(self._first_record, index, side="right")) - 1
        inside = index - int(self._first_record[file])
        return f"record {index} (record {inside} of {self._files.paths[file]})"


class _ProgressBar(tqdm):  # pyright: ignore[reportMissingTypeArgument]
    """A bar that leaves no thread behind; tqdm's own watches for bars that stand still."""

    monitor_interval = 0


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Part of a request that lies in one file.

    Attributes:
        file: Number of the file.
        places: int64[n], places in the request.
        records: int64[n], records of the file.
    """

    file: int
    places: Int64Array
    records: Int64Array


class _OpenFiles:
    """Shard files, opened when needed, the least recently used closed beyond a limit."""

    def __init__(self, paths: Sequence[epath.Path]) -> None:
        self.paths = paths
        self._readers: OrderedDict[int, _Reader] = OrderedDict()
        self._lock = ForkLock()

    def __reduce__(self) -> tuple[Any, ...]:
        # Open files stay with their process; a copy opens its own.
        return _OpenFiles, (self.paths,)

    def count(self, number: int) -> int:
        """Number of records in a file, of which there must be some."""
        path = self.paths[number]
        size = path.stat().length
        count = self._reader(number).num_records() if size else 0
        if count == 0:
            kind = "is truncated or no ArrayRecord file" if size else "is empty"
            raise SourceError(f"{path} {kind} ({size} bytes, no records); write or copy it again")
        return count

    def read_all(self, stretches: Sequence[_Stretch]) -> list[list[bytes]]:
        """Records of every stretch, the files read side by side."""
        if len(stretches) < 2:
            return [self._read(stretch) for stretch in stretches]
        # Kept threads would outlive the iterators that read; starting some costs little beside a read.
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1, len(stretches)), "array-record") as threads:
            return list(threads.map(self._read, stretches))

    def close(self) -> None:
        """Closes every file."""
        with self._lock:
            readers, self._readers = self._readers, OrderedDict()
        for reader in readers.values():
            with suppress(RuntimeError):  # of a read that failed before, and was reported then
                reader.close()

    def _read(self, stretch: _Stretch) -> list[bytes]:
        path = self.paths[stretch.file]
        try:
            return self._reader(stretch.file).read(stretch.records.tolist())
        except RuntimeError as error:
            # A reader that failed fails for ever; the next attempt opens the file again.
            with self._lock:
                self._readers.pop(stretch.file, None)
            raise SourceError(f"{path} cannot be read: {error}. Was it changed, cut short or removed?") from error

    def _reader(self, number: int) -> _Reader:
        with self._lock:
            reader = self._readers.pop(number, None)
            if reader is None:
                path = os.fspath(self.paths[number])
                reader = cast(_Reader, array_record_module.ArrayRecordReader(path, _RANDOM_ACCESS))
                if len(self._readers) >= _OPEN_FILES:
                    self._readers.popitem(last=False)
            self._readers[number] = reader
            return reader


def find_shards(paths: epath.PathLike | Sequence[epath.PathLike]) -> list[epath.Path]:
    """Files named by a pattern, a path, or a list of either.

    Raises:
        SourceError: A pattern matches nothing, a file is missing, or the list is empty.
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found = [path for pattern in listed for path in _matches(os.fspath(pattern))]
    if not found:
        raise SourceError("no ArrayRecord files were given")
    return found


def _matches(pattern: str) -> list[epath.Path]:
    """The files of one pattern, in natural order, or the one file of that name."""
    fixed = re.split(r"[*?\[]", pattern)[0]
    if fixed == pattern:
        path = epath.Path(pattern)
        if not path.is_file():
            raise SourceError(f"{path} does not exist or is no file")
        return [path]
    slash = fixed.rfind("/") + 1
    if "**" in pattern:
        raise SourceError(f"{pattern}: ** is not supported; list the folders")
    found = epath.Path(pattern[:slash] or ".").glob(pattern[slash:])
    matches = [path for path in found if not path.name.endswith((SUFFIX, ".tmp")) and path.is_file()]
    if not matches:
        raise SourceError(f"no file matches {pattern}")
    return sorted(matches, key=lambda path: natural_order(path.as_posix()))


def natural_order(name: str) -> list[tuple[int, str]]:
    """A sort key in which numbers count by their value.

    >>> sorted(["shard_10", "shard_2", "shard_000001"], key=natural_order)
    ['shard_000001', 'shard_2', 'shard_10']
    """
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]


def shard_fingerprint(path: epath.Path, records: int) -> str:
    """Digest of a file's base name, size, record count, footer, and 16 blocks spread over it.

    Raises:
        SourceError: The file cannot be read any more.
    """
    try:
        return _shard_fingerprint(path, records)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error}. Was it removed?") from error


def _shard_fingerprint(path: epath.Path, records: int) -> str:
    size = path.stat().length
    starts = evenly_spaced(max(size - _BLOCK_BYTES, 1), _SAMPLED_BLOCKS).tolist()
    stretches = [(start, _BLOCK_BYTES) for start in starts] + [(max(size - _FOOTER_BYTES, 0), _FOOTER_BYTES)]
    blocks: list[bytes] = []
    with cast(BinaryIO, path.open("rb")) as file:
        for start, count in stretches:
            file.seek(start)
            blocks.append(file.read(count))
    return digest("shard", path.name, str(size), str(records), *blocks)
