"""An Arrow column as the memory it lies in, so that records of any chunk are found with one gather.

A dataset of millions of records has thousands of chunks, and a shuffled read hits most of them. One Arrow call a
chunk would cost more than the records. Arrow's own ``take`` first joins all chunks, which copies the whole column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from resumable_data.arrays import AnyArray, BoolArray, Int64Array, offsets_of, ranges
from resumable_data.errors import SourceError
from resumable_data.opaque import Arrow

_PAGE = 4096
_NOWHERE = -1


@dataclass(frozen=True)
class Layout:
    """How the values of a column's records lie in memory.

    Attributes:
        offset_width: Bytes of an offset, or 0 if every record has the same number of values.
        fixed_length: That number of values.
        item_bits: Bits of a value.
        nested: Whether the values are a separate Arrow array, which may have nulls.
    """

    offset_width: int
    fixed_length: int
    item_bits: int
    nested: bool


def layout_of(arrow_type: Arrow) -> Layout | None:
    """Returns the layout of a type whose records are integers, text, bytes or lists of integers; None for others."""
    types: Any = import_module("pyarrow").types
    if types.is_string(arrow_type) or types.is_binary(arrow_type):
        return Layout(4, 0, 8, nested=False)
    if types.is_large_string(arrow_type) or types.is_large_binary(arrow_type):
        return Layout(8, 0, 8, nested=False)
    if types.is_integer(arrow_type):
        return Layout(0, 1, arrow_type.bit_width, nested=False)
    layout = list_layout_of(arrow_type)
    return layout if layout is not None and types.is_integer(arrow_type.value_type) else None


def list_layout_of(arrow_type: Arrow) -> Layout | None:
    """Returns the layout of a type whose records are lists of integers, floats or bools; None for others."""
    types: Any = import_module("pyarrow").types
    width = 4 if types.is_list(arrow_type) else 8 if types.is_large_list(arrow_type) else 0
    fixed = bool(types.is_fixed_size_list(arrow_type))
    if not width and not fixed:
        return None
    item = arrow_type.value_type
    if not (types.is_integer(item) or types.is_floating(item) or types.is_boolean(item)):
        return None
    return Layout(width, arrow_type.list_size if fixed else 0, item.bit_width, nested=True)


def plain_type(arrow_type: Arrow) -> Arrow:
    """Returns the type that stores the same in one array of values: strings for views and dictionaries of strings.

    >>> import pyarrow
    >>> plain_type(pyarrow.string_view()), plain_type(pyarrow.list_view(pyarrow.int32()))
    (DataType(large_string), ListType(list<item: int32>))
    """
    pa: Any = import_module("pyarrow")
    types = pa.types
    if types.is_string_view(arrow_type):
        return pa.large_string()
    if types.is_binary_view(arrow_type):
        return pa.large_binary()
    if types.is_fixed_size_binary(arrow_type):
        return pa.binary()
    if types.is_dictionary(arrow_type) or types.is_run_end_encoded(arrow_type):
        return plain_type(arrow_type.value_type)
    if types.is_list(arrow_type) or types.is_list_view(arrow_type):
        return pa.list_(plain_type(arrow_type.value_type))
    if types.is_large_list(arrow_type) or types.is_large_list_view(arrow_type):
        return pa.large_list(plain_type(arrow_type.value_type))
    if isinstance(arrow_type, pa.BaseExtensionType):
        return plain_type(arrow_type.storage_type)
    return arrow_type


def to_plain(column: Arrow) -> Arrow:
    """Casts an Arrow array, or a column in chunks, to its plain type; returns it as it is if it has that type."""
    pa: Any = import_module("pyarrow")
    plain = plain_type(column.type)
    if plain == column.type:
        return column
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([to_plain(chunk) for chunk in column.chunks], plain)
    if isinstance(column.type, pa.BaseExtensionType):
        return to_plain(column.storage)
    if pa.types.is_run_end_encoded(column.type):
        return to_plain(import_module("pyarrow.compute").run_end_decode(column))
    return column.cast(plain)


@dataclass(frozen=True, eq=False)
class Extents:
    """Where records lie.

    Attributes:
        starts: int64[n], byte of the column's memory at which each record begins.
        stops: int64[n], the byte after it.
        lengths: int64[n], its number of values.
    """

    starts: Int64Array
    stops: Int64Array
    lengths: Int64Array


class _Chunk(NamedTuple):
    """Places in memory of one chunk; addresses at first, later relative to the column's memory.

    Attributes:
        rows: Number of records.
        offsets: Byte of the first record's offset.
        values: Bit of value 0.
        capacity: Number of values from there on.
        size: Number of values that belong to records.
        valid: Bit that says whether the first record is valid, or ``_NOWHERE`` if all are.
        value_valid: The same for value 0.
    """

    rows: int
    offsets: int
    values: int
    capacity: int
    size: int
    valid: int
    value_valid: int


class ArrowColumn:
    r"""A column of an Arrow table, in any number of chunks.

    Args:
        column: The ``pyarrow.ChunkedArray``.
        layout: Its layout, from ``layout_of``.
        name: Its name in errors.

    >>> import pyarrow
    >>> column = pyarrow.chunked_array([pyarrow.array(["a", "bcd"]), pyarrow.array(["", "é"])])
    >>> texts = ArrowColumn(column, layout_of(column.type), "toy")
    >>> found = texts.extents(np.array([3, 1]))
    >>> found.lengths.tolist(), [bytes(piece) for piece in texts.pieces(found)]
    ([2, 3], [b'\xc3\xa9', b'bcd'])
    """

    def __init__(self, column: Arrow, layout: Layout, name: str) -> None:
        self._layout = layout
        self._name = name
        chunks = [chunk for chunk in column.chunks if len(chunk)]
        buffers = [buffer for chunk in chunks for buffer in chunk.buffers() if buffer is not None and buffer.size]
        low = min((buffer.address for buffer in buffers), default=_PAGE) // _PAGE * _PAGE
        high = max((buffer.address + buffer.size for buffer in buffers), default=low)
        # One array from the first buffer to the last. Only places in buffers are read, never what lies between.
        span: Any = import_module("pyarrow").foreign_buffer(low, high - low, base=buffers)
        self._view = memoryview(span)
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(span, np.uint8)
        table = np.array([_chunk_of(chunk, layout, low) for chunk in chunks], np.int64).reshape(
            -1, len(_Chunk._fields)
        )
        rows, self._offsets, self._values, self._capacity, size, self._valid, self._value_valid = table.T
        self._first_row = offsets_of(rows)
        self._has_nulls = bool((self._valid != _NOWHERE).any() or (self._value_valid != _NOWHERE).any())
        self.size = int(size.sum())

    def __len__(self) -> int:
        return int(self._first_row[-1])

    def extents(self, rows: Int64Array) -> Extents:
        """Finds where the records at int64[n] rows lie.

        Raises:
            SourceError: An offset points outside its chunk.
        """
        starts, lengths = self._located(rows)
        bits = self._layout.item_bits
        return Extents(starts >> 3, (starts + lengths * bits) >> 3, lengths)

    def _located(self, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Finds the bit at which each record begins, and its number of values."""
        chunk, within = self._find(rows)
        firsts, lengths = self._firsts(chunk, within)
        if not self._layout.fixed_length:
            wrong = np.flatnonzero((firsts < 0) | (lengths < 0) | (firsts + lengths > self._capacity[chunk]))
            if wrong.size:
                raise SourceError(
                    f"{self._name} is damaged: the Arrow offsets of row {int(rows[wrong[0]])} point outside its "
                    "chunk. Write or copy the dataset again"
                )
        return self._values[chunk] + firsts * self._layout.item_bits, lengths

    def invalid(self, rows: Int64Array) -> BoolArray:
        """Tells which records at int64[n] rows are null, or have a null among their values: bool[n]."""
        invalid = np.zeros(len(rows), np.bool_)
        if not self._has_nulls:
            return invalid
        chunk, within = self._find(rows)
        of_records = np.flatnonzero(self._valid[chunk] != _NOWHERE)
        invalid[of_records] = ~self._bits(self._valid[chunk[of_records]] + within[of_records])
        of_values = np.flatnonzero(self._value_valid[chunk] != _NOWHERE)
        if of_values.size:
            firsts, lengths = self._firsts(chunk[of_values], within[of_values])
            null = ~self._bits(ranges(self._value_valid[chunk[of_values]] + firsts, lengths))
            invalid[np.repeat(of_values, lengths)[null]] = True
        return invalid

    def pieces(self, extents: Extents) -> Iterator[memoryview]:
        """Yields the bytes of each record without copying them."""
        self._fault_in(extents)
        view = self._view
        for start, stop in zip(extents.starts.tolist(), extents.stops.tolist(), strict=True):
            yield view[start:stop]

    def spaced(self, extents: Extents, dtype: str) -> AnyArray:
        """Returns the values of records as NumPy's ``dtype``, with a 0 after each record."""
        gap = bytes(np.dtype(dtype).itemsize)
        return np.frombuffer(bytearray(gap).join([*self.pieces(extents), b""]), dtype)

    def spaced_bools(self, rows: Int64Array) -> tuple[BoolArray, Int64Array]:
        """Returns a column's lists of bools at int64[n] rows, False after each record; and their lengths.

        Raises:
            SourceError: An offset points outside its chunk.
        """
        starts, lengths = self._located(rows)
        values = np.zeros(int(lengths.sum()) + len(rows), np.bool_)
        values[ranges(offsets_of(lengths + 1)[:-1], lengths)] = self._bits(ranges(starts, lengths))
        return values, lengths

    def integers(self, rows: Int64Array, dtype: str) -> AnyArray:
        """Returns the values of a column of integers at int64[n] rows as NumPy's ``dtype``."""
        return self._at(self.extents(rows).starts, dtype)

    def _find(self, rows: Int64Array) -> tuple[Int64Array, Int64Array]:
        chunk = np.searchsorted(self._first_row, rows, side="right") - 1
        return chunk, rows - self._first_row[chunk]

    def _firsts(self, chunk: Int64Array, within: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Returns the first value of each record, counted in its chunk, and the number of values."""
        width = self._layout.offset_width
        if not width:
            length = self._layout.fixed_length
            return within * length, np.full(len(within), length)
        at = self._offsets[chunk] + within * width
        dtype = f"i{width}"
        firsts = self._at(at, dtype).astype(np.int64)
        return firsts, self._at(at + width, dtype) - firsts

    def _at(self, places: Int64Array, dtype: str) -> AnyArray:
        """Returns the numbers at int64[n] bytes of the memory, aligned or not."""
        if not len(places):
            return np.zeros(0, dtype)
        size = len(self._bytes) - np.dtype(dtype).itemsize + 1
        return np.ndarray((size,), dtype, self._bytes.data, strides=(1,))[places]

    def _bits(self, places: Int64Array) -> BoolArray:
        return (self._bytes[places >> 3] >> (places & 7).astype(np.uint8) & 1).astype(np.bool_)

    def _fault_in(self, extents: Extents) -> None:
        """Touches every page that is about to be read.

        NumPy releases the interpreter's lock here. So other threads go on while the disk is read.
        """
        firsts = extents.starts // _PAGE
        counts = np.where(extents.lengths > 0, (extents.stops - 1) // _PAGE - firsts + 1, 0)
        places = ranges(firsts, counts) * _PAGE
        self._bytes.take(np.maximum(places, np.repeat(extents.starts, counts)))


def _chunk_of(chunk: Arrow, layout: Layout, low: int) -> _Chunk:
    """Finds where a chunk that is not empty lies, in bytes and bits from address ``low`` on."""
    buffers = chunk.buffers()
    rows, width, data = len(chunk), layout.offset_width, buffers[-1]
    values = chunk.values if layout.nested else None
    # Arrow's slices leave the buffers whole, and say where in them they begin.
    first_value = 0 if values is None else values.offset
    offsets, size = 0, rows * layout.fixed_length
    if width:
        own = np.frombuffer(buffers[1], f"i{width}", rows + 1, chunk.offset * width)
        offsets, size = buffers[1].address - low + chunk.offset * width, int(own[-1]) - int(own[0])
    else:
        first_value += chunk.offset * layout.fixed_length
    begin, capacity = (0, 0) if data is None else (data.address - low, data.size * 8 // layout.item_bits)
    return _Chunk(
        rows=rows,
        offsets=offsets,
        values=begin * 8 + first_value * layout.item_bits,
        capacity=capacity - first_value,
        size=size,
        valid=(buffers[0].address - low) * 8 + chunk.offset if chunk.null_count else _NOWHERE,
        value_valid=(
            (buffers[-2].address - low) * 8 + first_value if values is not None and values.null_count else _NOWHERE
        ),
    )
