"""Reads the rows of a Hugging Face dataset as tokens, text, or whole records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from resumable_data.arrays import AnyArray, Int32Array, Int64Array, Ragged, offsets_of
from resumable_data.digest import content_digest
from resumable_data.errors import RecordError, SourceError
from resumable_data.opaque import Arrow, HuggingFace, JsonDict, Record
from resumable_data.sources.arrow_column import ArrowColumn, Extents, layout_of, plain_type, to_plain
from resumable_data.system_errors import explain, is_of_system

_INT32 = np.iinfo(np.int32)

NameOf = Callable[[int], str]  # From a place of the request to the row's name in errors.


class Records(Protocol):
    """The rows of a table as records of one kind."""

    @property
    def column(self) -> ArrowColumn | None:
        """The column that holds them, or None for whole records."""
        ...

    def read(self, rows: Int64Array, name: NameOf) -> Sequence[Record]:
        """Reads the records at int64[n] rows."""
        ...

    def digests(self, rows: Int64Array, name: NameOf) -> list[str]:
        """Digests the content of each record."""
        ...


@dataclass(frozen=True, eq=False)
class TokenRecords:
    """A column of integer lists.

    Attributes:
        column: The column.
        dtype: NumPy's name of its integers.
    """

    column: ArrowColumn
    dtype: str

    def read(self, rows: Int64Array, name: NameOf) -> Ragged:
        """Reads the tokens of the records, with a free cell after each."""
        extents = _valid_extents(self.column, rows, name)
        values = self.column.spaced(extents, self.dtype)
        starts = offsets_of(extents.lengths + 1)[:-1]
        return Ragged(self._as_int32(values, starts, name), starts, extents.lengths, spare=1)

    def lengths(self, rows: Int64Array, name: NameOf) -> Int64Array:
        """Returns the number of tokens of each record, from the Arrow offsets."""
        return _valid_extents(self.column, rows, name).lengths

    def digests(self, rows: Int64Array, name: NameOf) -> list[str]:
        """Digests each record's int32 tokens."""
        return [content_digest(tokens.astype("<i4")) for tokens in self.read(rows, name)]

    def _as_int32(self, values: AnyArray, starts: Int64Array, name: NameOf) -> Int32Array:
        if values.size and (values.min() < _INT32.min or values.max() > _INT32.max):
            wrong = int(np.flatnonzero((values < _INT32.min) | (values > _INT32.max))[0])
            place = int(np.searchsorted(starts, [wrong], side="right")[0]) - 1
            raise RecordError(f"{name(place)} holds the token {int(values[wrong])}, which int32 cannot hold")
        return values.astype(np.int32, copy=False)


@dataclass(frozen=True, eq=False)
class TextRecords:
    """A column of text, or of bytes that are UTF-8.

    Attributes:
        column: The column.
    """

    column: ArrowColumn

    def read(self, rows: Int64Array, name: NameOf) -> list[str]:
        """Reads the texts as Python strings."""
        extents = _valid_extents(self.column, rows, name)
        try:
            return [str(piece, "utf-8") for piece in self.column.pieces(extents)]
        except UnicodeDecodeError:
            for place, piece in enumerate(self.column.pieces(extents)):
                try:
                    str(piece, "utf-8")
                except UnicodeDecodeError as error:
                    raise RecordError(
                        f"{name(place)} is not UTF-8 text: {error.reason} {error.object[error.start]:#04x} at byte "
                        f"{error.start} of {len(piece)}"
                    ) from error
            raise

    def digests(self, rows: Int64Array, name: NameOf) -> list[str]:
        """Digests each text."""
        return list(map(content_digest, self.read(rows, name)))


@dataclass(frozen=True, eq=False)
class WholeRecords:
    """Every column of a table, as dictionaries.

    Attributes:
        table: The ``datasets.table.Table``.
        features: The ``datasets.Features``, which decode what is stored encoded, such as images.
    """

    table: Arrow
    features: Arrow

    @property
    def column(self) -> None:
        """None: there is no one column."""
        return None

    @property
    def decodes(self) -> bool:
        """Whether a column is stored encoded, and so is not read as it is stored."""
        require_decoding = import_module("datasets.features.features").require_decoding
        return any(require_decoding(feature) for feature in self.features.values())

    def read(self, rows: Int64Array, name: NameOf) -> list[JsonDict]:
        """Reads the records and decodes them."""
        try:
            return self._decoded(rows)
        except Exception:
            for place in range(len(rows)):  # One of them is bad. Reading one by one tells which.
                try:
                    self._decoded(rows[place : place + 1])
                except Exception as error:
                    if is_of_system(error):
                        raise SourceError(f"{name(place)} cannot be decoded: {explain(error)}") from error
                    raise RecordError(f"{name(place)} cannot be decoded: {error!r}") from error
            raise

    def digests(self, rows: Int64Array, name: NameOf) -> list[str]:
        """Digests each record as it is stored."""
        return [content_digest(repr(record)) for record in _as_dictionaries(self._columns(rows))]

    def _decoded(self, rows: Int64Array) -> list[JsonDict]:
        return _as_dictionaries(self.features.decode_batch(self._columns(rows)))

    def _columns(self, rows: Int64Array) -> dict[str, list[Record]]:
        return self.table.fast_gather(rows).to_pydict() if len(rows) else {}


def records_of(dataset: HuggingFace, column: str | None, name: str) -> Records:
    """Chooses how to read a ``datasets.Dataset``: one column, or whole records.

    Raises:
        SourceError: The column is missing, or holds neither tokens nor text.
    """
    if column is None:
        return WholeRecords(dataset.data, dataset.features)
    schema = dataset.data.schema
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    if column not in schema.names:
        raise SourceError(f"{name} has no column {column!r}; its columns are {columns}")
    types: Any = import_module("pyarrow").types
    arrow_type = plain_type(schema.field(column).type)
    layout = layout_of(arrow_type)
    if layout is None or types.is_integer(arrow_type):
        raise SourceError(
            f"{name}: column {column!r} is {schema.field(column).type}, neither tokens (a list of integers) nor text "
            f"(string, binary); its columns are {columns}. Cast it with dataset.cast_column, or read whole records "
            "with column=None and take from them what you need in a map"
        )
    memory = ArrowColumn(to_plain(dataset.data.column(column)), layout, f"{name}, column {column!r}")
    if layout.nested:
        return TokenRecords(memory, np.dtype(arrow_type.value_type.to_pandas_dtype()).str)
    return TextRecords(memory)


def _valid_extents(column: ArrowColumn, rows: Int64Array, name: NameOf) -> Extents:
    null = np.flatnonzero(column.invalid(rows))
    if null.size:
        raise RecordError(
            f"{name(int(null[0]))} is null, or holds a null. Leave such records out with skip_bad_records, or before "
            "the source is built"
        )
    return column.extents(rows)


def _as_dictionaries(columns: dict[str, list[Record]]) -> list[JsonDict]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
