"""One column of Parquet, JSON Lines or text files, as Arrow arrays.

Only the named column is read, so that nothing in other columns can fail or cost anything. All files give it the same
type, which is found out before anything is converted.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, NamedTuple, TypeVar, cast

from etils import epath

from resumable_data.errors import SourceError
from resumable_data.opaque import Arrow
from resumable_data.sources.arrow_column import plain_type, to_plain
from resumable_data.sources.compressed_files import open_file
from resumable_data.sources.file_lines import first_type
from resumable_data.system_errors import explain

ResultT = TypeVar("ResultT")


class Piece(NamedTuple):
    """Some records of a file.

    Attributes:
        values: Their column, as an Arrow array, in chunks or not.
        blanks: Whether blank lines stand among them, which are not records; None where records are not lines.
    """

    values: Arrow
    blanks: bool | None


class _Chunk(NamedTuple):
    """Some lines of a JSON file.

    Attributes:
        lines: The lines.
        made: Whether they were made from the items of a list.
    """

    lines: bytes
    made: bool


@dataclass(frozen=True)
class ColumnFiles:
    """A column of files of one kind.

    Attributes:
        files: The files, in the order of their records.
        column: The column.
        kind: ``parquet``, ``json`` or ``text``.
        chunk_bytes: How many bytes of JSON Lines or text are read at once. It does not change the records.
    """

    files: Sequence[epath.Path]
    column: str
    kind: str
    chunk_bytes: int = 10 << 20

    def type(self) -> Arrow:
        """Finds the Arrow type of the column that suits all files.

        Raises:
            SourceError: A file cannot be read, does not have the column, or has it with another type.
        """
        return {"parquet": self._parquet_type, "json": self._json_type, "text": self._text_type}[self.kind]()

    def pieces(self, target: Arrow) -> Iterator[tuple[int, Piece]]:
        """Yields the column in pieces, each with the number of its file.

        Args:
            target: The Arrow type that it gets.

        Raises:
            SourceError: A file cannot be read, or holds values that are not of the type.
        """
        read = {"parquet": _parquet_pieces, "json": _json_pieces, "text": _text_pieces}[self.kind]
        for number, file in enumerate(self.files):
            pieces = read(file, self.column, target, self.chunk_bytes)
            while (piece := self._reading(file, lambda pieces=pieces: next(pieces, None))) is not None:
                yield number, piece

    def _text_type(self) -> Arrow:
        if self.column != "text":
            raise SourceError(f"{self.files[0]} has no column {self.column!r}; text files have one column, text")
        return import_module("pyarrow").string()

    def _parquet_type(self) -> Arrow:
        pa: Any = import_module("pyarrow")
        together: Arrow = None
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

    def _json_type(self) -> Arrow:
        """Returns the type of the first value that is text or a list of integers."""
        pa: Any = import_module("pyarrow")
        for file in self.files:
            chunks = _json_chunks(file, self.chunk_bytes)
            while (chunk := self._reading(file, lambda chunks=chunks: next(chunks, None))) is not None:
                if (found := first_type(io.BytesIO(chunk.lines), self.column)) is not None:
                    return pa.list_(pa.int64()) if found == "tokens" else pa.string()
        keys = self._reading(self.files[0], lambda: _json_keys(self.files[0], self.chunk_bytes))
        if self.column in keys:
            # If they hold something else, reading fails with an error that names the file.
            for _ in self.pieces(pa.string()):
                pass
            raise SourceError(f"{self.files[0].name}: column {self.column!r} is null in every record of every file")
        columns = ", ".join(keys)
        raise SourceError(
            f"{self.files[0].name} has no column {self.column!r}; the columns of its first record are {columns}"
        )

    def _reading(self, file: epath.Path, read: Callable[[], ResultT]) -> ResultT:
        try:
            return read()
        except OSError as error:
            reason = explain(error) if error.errno is not None else repr(error)
            raise SourceError(f"{file} cannot be read: {reason}") from error
        except Exception as error:
            raise SourceError(f"{file} cannot be read: {error!r} (column {self.column!r})") from error


def _parquet_schema(file: epath.Path) -> Arrow:
    with cast(BinaryIO, file.open("rb")) as opened:
        return import_module("pyarrow.parquet").read_schema(opened)


def _parquet_pieces(file: epath.Path, column: str, target: Arrow, _: int) -> Iterator[Piece]:
    with cast(BinaryIO, file.open("rb")) as opened:
        parquet: Any = import_module("pyarrow.parquet").ParquetFile(opened)
        for batch in parquet.iter_batches(columns=[column]):
            yield Piece(to_plain(batch.column(column)).cast(target), blanks=None)


def _json_pieces(file: epath.Path, column: str, target: Arrow, chunk_bytes: int) -> Iterator[Piece]:
    for lines, made in _json_chunks(file, chunk_bytes):
        values = _json_array(lines, column, target)
        count = lines.count(b"\n") + (not lines.endswith(b"\n"))
        yield Piece(values, blanks=None if made else len(values) < count)


def _json_array(lines: bytes, column: str, target: Arrow) -> Arrow:
    pa, reader = import_module("pyarrow"), import_module("pyarrow.json")
    return reader.read_json(
        io.BytesIO(lines),
        # One block, because a record cannot cross the border of two.
        read_options=reader.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=reader.ParseOptions(
            explicit_schema=pa.schema({column: target}), unexpected_field_behavior="ignore"
        ),
    ).column(column)


def _json_chunks(file: epath.Path, chunk_bytes: int) -> Iterator[_Chunk]:
    """Yields whole lines of a file."""
    with open_file(file) as opened:
        chunk = opened.read(chunk_bytes)
        if chunk.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
            items = json.loads((chunk + opened.read()).decode("utf-8-sig"))
            yield _Chunk("\n".join(map(json.dumps, items)).encode(), made=True)
            return
        while chunk:
            yield _Chunk(chunk + opened.readline(), made=False)
            chunk = opened.read(chunk_bytes)


def _json_keys(file: epath.Path, chunk_bytes: int) -> list[str]:
    """Returns the keys of the first record."""
    lines = next((chunk.lines for chunk in _json_chunks(file, chunk_bytes)), b"{}")
    return list(json.loads(lines.decode("utf-8-sig").lstrip().splitlines()[0]))


def _text_pieces(file: epath.Path, column: str, target: Arrow, chunk_bytes: int) -> Iterator[Piece]:
    pa: Any = import_module("pyarrow")
    # A byte order mark at the beginning is not part of the text.
    with open_file(file) as opened, io.TextIOWrapper(opened, encoding="utf-8-sig") as text:
        while lines := text.readlines(chunk_bytes):
            yield Piece(pa.array([line.removesuffix("\n") for line in lines], target), blanks=False)
