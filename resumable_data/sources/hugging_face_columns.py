"""Columns of a Hugging Face dataset that hold lists of numbers, side by side, such as tokens and their loss mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.opaque import Arrow
from resumable_data.sources.arrow_column import ArrowColumn, list_layout_of, plain_type, to_plain
from resumable_data.sources.source import Column


@dataclass(frozen=True, eq=False)
class _Numbers:
    """A column of lists of numbers.

    Attributes:
        memory: Their place in memory.
        dtype: NumPy's name of their type.
    """

    memory: ArrowColumn
    dtype: str

    def read(self, rows: Int64Array) -> Column:
        """Reads the lists at int64[n] rows. None of them may be null."""
        if self.dtype == "bool":  # Arrow packs eight to a byte.
            return Column(*self.memory.spaced_bools(rows))
        extents = self.memory.extents(rows)
        return Column(self.memory.spaced(extents, self.dtype), extents.lengths)


class NumberColumns:
    """The columns of a table that hold lists of numbers, each looked up when it is first asked for.

    Args:
        table: The ``datasets.table.Table``.
        name: Its name in errors.
    """

    def __init__(self, table: Arrow, name: str) -> None:
        self._table = table
        self._name = name
        self._columns: dict[str, _Numbers | None] = {}

    def read(self, rows: Int64Array, names: Sequence[str]) -> Mapping[str, Column] | None:
        """Reads the lists at int64[n] rows, by column; returns None if a column does not hold lists of numbers.

        Raises:
            SourceError: The Arrow data is damaged.
        """
        found: dict[str, Column] = {}
        for name in names:
            column = self._column(name)
            if column is None or column.memory.invalid(rows).any():
                return None
            found[name] = column.read(rows)
        return found

    def _column(self, name: str) -> _Numbers | None:
        # Two threads may both look a column up, and find the same.
        if name not in self._columns:
            self._columns[name] = self._looked_up(name)
        return self._columns[name]

    def _looked_up(self, name: str) -> _Numbers | None:
        schema = self._table.schema
        if name not in schema.names:
            return None
        arrow_type = plain_type(schema.field(name).type)
        layout = list_layout_of(arrow_type)
        if layout is None:
            return None
        memory = ArrowColumn(to_plain(self._table.column(name)), layout, f"{self._name}, column {name!r}")
        return _Numbers(memory, np.dtype(arrow_type.value_type.to_pandas_dtype()).name)
