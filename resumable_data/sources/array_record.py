"""Records in ArrayRecord files: many shards, read in batches, several files at once."""

from __future__ import annotations

import copy
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from etils import epath

from resumable_data.arguments import as_function, as_path, as_text, optional
from resumable_data.arrays import Int64Array, Ragged, offsets_of
from resumable_data.digest import callable_name, digest, module_name
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.opaque import Document, JsonDict, Record
from resumable_data.sources.lengths_index import (
    LengthsIndex,
    PlacedLengths,
    ProgressBar,
    many_processes,
    require_single_process,
    to_lengths,
)
from resumable_data.sources.manifest import LengthArray
from resumable_data.sources.open_shards import OpenShards
from resumable_data.sources.parse import BatchParser, TokenParser, parse_int32_tokens, warn_of_wider_tokens
from resumable_data.sources.retries import Retries
from resumable_data.sources.shard_facts import ShardFacts
from resumable_data.sources.shards import list_shards
from resumable_data.sources.source import check_indices
from resumable_data.system_errors import explain, is_of_system

_READ_AT_ONCE = 4096


class ArrayRecordSource:
    """Documents in ArrayRecord shards.

    A manifest says how many records the shards hold, what their fingerprints are, and how long the documents are.
    ``resumable-data index`` or ``build_index`` writes it. With a manifest, opening reads that one file and looks at
    the first shard. Another shard is opened and checked when one of its records is needed, and only a few are open at
    any time. Without a manifest, or if the first shard has changed, opening reads a little of every shard, and one
    process counts the lengths at their first use.

    Args:
        paths: A glob pattern, a file, or a list of these in their order. The shards of a pattern
            come in natural order (``shard_10`` after ``shard_2``); a list keeps its own.
        parse: Turns a record's bytes into a document. ``parse_int32_tokens`` for raw int32 tokens; any callable
            otherwise, which counts in the fingerprint by its qualified name.
        version: Change it whenever the meaning of ``parse`` changes.
        index_dir: Where the manifest lies; in the folder of the shards by default. Many corpora may share one.
        progress: Whether building an index shows a progress bar.

    Raises:
        SourceError: A file is missing, cannot be read or holds no records (a truncated ArrayRecord reads as empty),
            or the manifest is damaged.
        PipelineError: ``parse`` has no name that lasts.
    """

    def __init__(
        self,
        paths: epath.PathLike | Sequence[epath.PathLike],
        parse: Callable[[bytes], Record],
        *,
        version: str | None = None,
        index_dir: epath.PathLike | None = None,
        progress: bool = True,
    ) -> None:
        self._set_parser(parse, version)
        index_dir = optional(as_path, "ArrayRecordSource: index_dir", index_dir)
        self._index_dir = None if index_dir is None else epath.Path(index_dir)
        self._progress = progress
        self._looked_at = False  # whether tokens were looked at that may be of a wider type
        listed = list_shards(paths)
        self._patterns = [one.given for one in listed]
        self._index = LengthsIndex(listed, self._index_dir)
        self._set_facts(self._index.facts())

    def __len__(self) -> int:
        return int(self._first_record[-1])

    def __repr__(self) -> str:
        paths = self._index.paths
        return f"ArrayRecord source {paths[0].name}{' …' if len(paths) > 1 else ''} ({len(self)} records)"

    def __getitem__(self, index: int) -> Record:
        """Returns the document at an index, as Grain's data sources do. ``read`` reads hundreds faster."""
        return self.read(np.array([index]))[0]

    def __getstate__(self) -> JsonDict:
        # Another process maps the lengths itself; they are not sent.
        return {name: value for name, value in self.__dict__.items() if name != "_lengths"}

    def read(self, indices: Int64Array) -> Ragged | list[Record]:
        """Reads the documents at int64[n] indices: a ``Ragged`` if ``parse`` reads batches, else a list.

        Raises:
            RecordError: A record cannot be parsed.
            SourceError: A file cannot be read.
        """
        check_indices(indices, len(self), repr(self))
        stretches = list(self._by_file(indices))
        found = self._files.read([(stretch.file, stretch.records.tolist()) for stretch in stretches])
        if len(found) == 1:
            return self._parsed(found[0], indices)
        records: list[bytes] = [b""] * len(indices)
        for stretch, of_file in zip(stretches, found, strict=True):
            for place, record in zip(stretch.places.tolist(), of_file, strict=True):
                records[place] = record
        return self._parsed(records, indices)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the number of tokens of each document, int64[n]. The first call builds the lengths index if needed.

        Raises:
            SourceError: The index is damaged, cannot be written, or is missing in a multi-process run.
            RecordError: A record cannot be parsed.
        """
        check_indices(indices, len(self), repr(self))
        files = np.searchsorted(self._first_record, indices, side="right") - 1
        return self._lengths.lengths.at(indices + self._lengths.shifts[files])

    def file_of(self, index: int) -> str:
        """Returns the path of the shard that holds a record."""
        return os.fspath(self._index.paths[self._shard_of(index)])

    def fingerprint(self) -> str:
        """Digests each shard's name, size, record count and sampled bytes, and the parser's name."""
        return digest("array-record", self._parser_name, *(known.fingerprint for known in self._facts))

    def build_index(self, *, lengths: bool = True) -> None:
        """Writes the manifest: measures every shard, and counts the lengths of shards that are new or have changed.

        Many processes that run together build nothing: the call passes if all lengths are there, and raises if not.

        Args:
            lengths: Whether lengths are counted. If not, the manifest holds only facts of the shards.

        Raises:
            SourceError: A shard cannot be read, the manifest cannot be written, or many processes run.
            RecordError: A record cannot be parsed.
        """
        if many_processes():
            if self._index.missing(self._parser_name, self._facts):
                require_single_process(self._advice())
            return
        self._set_facts(self._index.measure(self._progress))
        self._index.add(self._parser_name, self._facts, {})
        if lengths:
            self._count_missing()

    @property
    def parse(self) -> Callable[[bytes], Record]:
        """Turns a record's bytes into a document."""
        return self._parse

    def parsed_by(self, parse: Callable[[bytes], Record]) -> ArrayRecordSource:
        """Returns a source of the same open files whose records another function parses.

        Raises:
            PipelineError: ``parse`` has no name that lasts.
        """
        other = copy.copy(self)
        other._set_parser(parse, None)
        return other

    def close(self) -> None:
        """Closes the files and the lengths indexes; they are opened again when needed."""
        self._files.close()
        self._index.close()
        self.__dict__.pop("_lengths", None)

    def _set_parser(self, parse: Callable[[bytes], Record], version: str | None) -> None:
        as_function("ArrayRecordSource: parse", parse)
        version = optional(as_text, "ArrayRecordSource: version", version)
        try:
            self._parser_name = callable_name(parse, None, version)
        except ValueError as error:
            raise PipelineError(
                f"ArrayRecordSource: parse: {error}: write it as a function of a module, with def, and pass that"
            ) from error
        self._parse = parse
        self._version = version
        self._batch_parser = parse if isinstance(parse, BatchParser) else None

    def _set_facts(self, facts: Sequence[ShardFacts]) -> None:
        self.__dict__.pop("_lengths", None)
        self._facts = facts
        self._first_record = offsets_of(np.array([known.records for known in facts], np.int64))  # int64[n_files + 1]
        self._files = OpenShards(self._index.paths, facts, f"If it was rewritten, count it again. {self._advice()}")

    @cached_property
    def _lengths(self) -> PlacedLengths:
        found = self._index.lengths(self._parser_name, self._facts)
        if found is None:
            self._count_missing()
            found = self._index.lengths(self._parser_name, self._facts)
        if found is None:
            raise SourceError(f"the lengths index {self._index.path} was changed or removed while it was in use")
        return found

    def _count_missing(self) -> None:
        missing = self._index.missing(self._parser_name, self._facts)
        if not missing:
            return
        require_single_process(self._advice())
        total = sum(self._facts[shard].records for shard in missing)
        with ProgressBar(None, "lengths index", total, " records", self._progress) as bar:
            self._index.build(self._parser_name, self._facts, missing, partial(self._count_lengths, bar))

    def _count_lengths(self, bar: Any, number: int) -> LengthArray:
        first, stop = self._first_record[number : number + 2].tolist()
        found: list[Int64Array] = []
        for start in range(first, stop, _READ_AT_ONCE):
            indices = np.arange(start, min(start + _READ_AT_ONCE, stop))
            documents = Retries().read(partial(self.read, indices), repr(self))
            if isinstance(documents, Ragged):
                found.append(documents.lengths)
            else:
                pairs = zip(documents, indices.tolist(), strict=True)
                found.append(np.array([self._length(document, index) for document, index in pairs], np.int64))
            bar.update(len(indices))
        return to_lengths(np.concatenate(found), self._index.paths[number])

    def _advice(self) -> str:
        """Says how to build the index of this source."""
        parse, module = self._parse, module_name(getattr(self._parse, "__module__", "__main__"))
        options: list[str] = []
        if parse is not parse_int32_tokens:
            name = getattr(parse, "__qualname__", None)
            if name is None or module == "__main__":
                return "In one process, run once: build_index() of this source"
            options += ["--parse", f"{module}:{name}"]
        if self._version is not None:
            options += ["--version", self._version]
        if self._index_dir is not None:
            options += ["--index-dir", os.fspath(self._index_dir)]
        return f"Run once: {shlex.join(['resumable-data', 'index', *self._patterns, *options])}"

    def _length(self, document: Document, index: int) -> int:
        try:
            return len(document)
        except TypeError as error:
            raise RecordError(f"{self._where(index)}: {error}; parse= returns a sequence of tokens") from error

    def _by_file(self, indices: Int64Array) -> Iterator[_Stretch]:
        """Splits the indices by the file they lie in."""
        if not len(indices):
            return
        if len(self._index.paths) == 1:
            yield _Stretch(0, np.arange(len(indices)), indices)
            return
        files = np.searchsorted(self._first_record, indices, side="right") - 1
        order = np.argsort(files, kind="stable")
        found, firsts = np.unique(files[order], return_index=True)
        for file, places in zip(found.tolist(), np.split(order, firsts[1:]), strict=True):
            yield _Stretch(file, places, indices[places] - self._first_record[file])

    def _parsed(self, records: list[bytes], indices: Int64Array) -> Ragged | list[Record]:
        try:
            if self._batch_parser is not None:
                found = self._batch_parser.batch(records)
                if len(indices) and not self._looked_at and isinstance(self._parse, TokenParser):
                    self._looked_at = True
                    warn_of_wider_tokens(self._parse, found, str(self._index.paths[self._shard_of(int(indices[0]))]))
                return found
        except RecordError:
            pass  # One of them is bad. Parsing one by one tells which.
        documents: list[Document] = []
        for record, index in zip(records, indices.tolist(), strict=True):
            try:
                documents.append(self._parse(record))
            except Exception as error:
                if is_of_system(error):
                    raise SourceError(f"{self._where(index)} cannot be parsed: {explain(error)}") from error
                raise RecordError(f"{self._where(index)}: {error}") from error
        return documents

    def _shard_of(self, index: int) -> int:
        return int(np.searchsorted(self._first_record, index, side="right")) - 1

    def _where(self, index: int) -> str:
        file = self._shard_of(index)
        inside = index - int(self._first_record[file])
        return f"record {index} (record {inside} of {self._index.paths[file]})"


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
