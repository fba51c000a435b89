"""One column of Parquet, JSON Lines or text files, as Arrow arrays.

Only the named column is read, so that nothing in other columns can fail or cost anything. All files give it the same
type, which is found out before anything is converted.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, TypeVar, cast

from etils import epath

from resumable_data.errors import SourceError
from resumable_data.sources.arrow_column import plain_type, to_plain
from resumable_data.sources.compressed_files import open_file
from resumable_data.system_errors import explain

_CHUNK_BYTES = 10 << 20

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class ColumnFiles:
    """A column of files of one kind.

    Attributes:
        files: The files, in the order of their records.
        column: The column.
        kind: ``parquet``, ``json`` or ``text``.
    """

    files: Sequence[epath.Path]
    column: str
    kind: str

    def type(self) -> Any:
        """The Arrow type that the column gets, which suits all files.

        Raises:
            SourceError: A file cannot be read, or has no such column or one of another type.
        """
        return {"parquet": self._parquet_type, "json": self._json_type, "text": self._text_type}[self.kind]()

    def arrays(self, target: Any) -> Iterator[Any]:
        """The column as Arrow arrays of one type.

        Raises:
            SourceError: A file cannot be read, or holds values that are not of the type.
        """
        read = {"parquet": _parquet_arrays, "json": _json_arrays, "text": _text_arrays}[self.kind]
        for file in self.files:
            arrays = read(file, self.column, target)
            while (array := self._reading(file, lambda arrays=arrays: next(arrays, None))) is not None:
                yield array

    def _text_type(self) -> Any:
        if self.column != "text":
            raise SourceError(f"{self.files[0]} has no column {self.column!r}; text files have one column, text")
        return import_module("pyarrow").string()

    def _parquet_type(self) -> Any:
        pa: Any = import_module("pyarrow")
        together: Any = None
        for file in self.files:
            schema = self._reading(file, lambda file=file: _parquet_schema(file))
            if self.column not in schema.names:
                columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
                raise SourceError(f"{file} has no column {self.column!r}; its columns are {columns}")
            own = pa.schema({self.column: plain_type(schema.field(self.column).type)})
            try:
                together = pa.unify_schemas([together or own, own], promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise SourceError(
                    f"{file}: column {self.column!r} is {own.types[0]}, and {together.types[0]} in the files before"
                ) from error
        return together.types[0]

    def _json_type(self) -> Any:
        """The type of the first values that are not null: text, or lists of integers."""
        pa: Any = import_module("pyarrow")
        for file in self.files:
            chunks = _json_chunks(file)
            while (chunk := self._reading(file, lambda chunks=chunks: next(chunks, None))) is not None:
                for target in (pa.string(), pa.list_(pa.int64())):
                    with suppress(pa.ArrowInvalid):
                        found = _json_array(chunk, self.column, target)
                        if found.null_count < len(found):
                            return target
                        break
                else:
                    self._reading(file, lambda chunk=chunk: _json_array(chunk, self.column, pa.string()))
        keys = self._reading(self.files[0], lambda: _json_keys(self.files[0]))
        raise SourceError(
            f"{self.files[0].name} has no column {self.column!r}, nor has any other file; its columns are {keys}"
        )

    def _reading(self, file: epath.Path, read: Callable[[], ResultT]) -> ResultT:
        try:
            return read()
        except OSError as error:
            reason = explain(error) if error.errno is not None else repr(error)
            raise SourceError(f"{file} cannot be read: {reason}") from error
        except Exception as error:
            raise SourceError(f"{file} cannot be read: {error!r} (column {self.column!r})") from error


def _parquet_schema(file: epath.Path) -> Any:
    with cast(BinaryIO, file.open("rb")) as opened:
        return import_module("pyarrow.parquet").read_schema(opened)


def _parquet_arrays(file: epath.Path, column: str, target: Any) -> Iterator[Any]:
    with cast(BinaryIO, file.open("rb")) as opened:
        parquet: Any = import_module("pyarrow.parquet").ParquetFile(opened)
        for batch in parquet.iter_batches(columns=[column]):
            yield to_plain(batch.column(column)).cast(target)


def _json_arrays(file: epath.Path, column: str, target: Any) -> Iterator[Any]:
    for chunk in _json_chunks(file):
        yield from _json_array(chunk, column, target).chunks


def _json_array(lines: bytes, column: str, target: Any) -> Any:
    pa, reader = import_module("pyarrow"), import_module("pyarrow.json")
    return reader.read_json(
        io.BytesIO(lines),
        # Of one block: a record cannot lie on the border of two.
        read_options=reader.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=reader.ParseOptions(
            explicit_schema=pa.schema({column: target}), unexpected_field_behavior="ignore"
        ),
    ).column(column)


def _json_chunks(file: epath.Path) -> Iterator[bytes]:
    """Whole lines of a file; those of one that holds a list are made of its items."""
    with open_file(file) as opened:
        chunk = opened.read(_CHUNK_BYTES)
        if chunk.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            items = json.loads((chunk + opened.read()).decode("utf-8-sig"))
            yield "\n".join(map(json.dumps, items)).encode()
            return
        while chunk:
            yield chunk + opened.readline()
            chunk = opened.read(_CHUNK_BYTES)


def _json_keys(file: epath.Path) -> str:
    """The keys of the first record, for an error."""
    chunk = next(_json_chunks(file), b"{}")
    return ", ".join(json.loads(chunk.decode("utf-8-sig").splitlines()[0]))


def _text_arrays(file: epath.Path, column: str, target: Any) -> Iterator[Any]:
    pa: Any = import_module("pyarrow")
    # A byte order mark at the beginning is no part of the text.
    with open_file(file) as opened, io.TextIOWrapper(opened, encoding="utf-8-sig") as text:
        while lines := text.readlines(_CHUNK_BYTES):
            yield pa.array([line.removesuffix("\n") for line in lines], target)
