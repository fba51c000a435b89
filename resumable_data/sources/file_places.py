"""The places of records in their files."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from etils import epath

from resumable_data.sources.file_lines import lines_of


@dataclass(frozen=True)
class FilePlaces:
    """The place of each record in its file.

    Attributes:
        files: The files, in the order of their records.
        records: How many records each has.
        blanks: Whether each has blank lines, which are not records; None if records are not lines.
    """

    files: Sequence[epath.Path]
    records: Sequence[int]
    blanks: Sequence[bool | None]

    def name(self, record: int) -> str:
        """Names the file of a record, and its line. A record without a line has its number in the file, from 0.

        >>> places = FilePlaces([epath.Path("a.txt"), epath.Path("b.parquet")], [2, 5], [False, None])
        >>> places.name(1), places.name(4)
        ('a.txt, line 2', 'b.parquet, record 2')
        """
        number, within = self._place(record)
        line = self._line(number, within)
        return f"{self.files[number]}, {f'record {within}' if line is None else f'line {line}'}"

    def file(self, record: int) -> str:
        """Returns the file of a record.

        >>> FilePlaces([epath.Path("a.txt"), epath.Path("b.parquet")], [2, 5], [False, None]).file(4)
        'b.parquet'
        """
        return os.fspath(self.files[self._place(record)[0]])

    def line(self, record: int) -> int | None:
        """Returns the line of a record in its file, from 1; None if records are not lines.

        >>> places = FilePlaces([epath.Path("a.txt"), epath.Path("b.parquet")], [2, 5], [False, None])
        >>> places.line(1), places.line(4)
        (2, None)
        """
        return self._line(*self._place(record))

    def _place(self, record: int) -> tuple[int, int]:
        """Finds the number of a record's file, and of the record in it, both from 0."""
        number = bisect_right(self._ends, record)
        return number, record - self._ends[number] + self.records[number]

    @cached_property
    def _ends(self) -> list[int]:
        """The number of records up to the end of each file."""
        return list(accumulate(self.records))

    def _line(self, number: int, within: int) -> int | None:
        blanks = self.blanks[number]
        if not blanks:
            return within + 1 if blanks is False else None
        try:
            numbers = _numbers_of_lines(self.files[number])
        except OSError:
            return None
        # The file may have changed since it was converted.
        return int(numbers[within]) if within < len(numbers) else None


@lru_cache(maxsize=8)
def _numbers_of_lines(file: epath.Path) -> npt.NDArray[np.uint32]:
    """Returns the numbers, from 1, of the JSON lines that are not blank."""
    filled = [bool(line.strip()) for lines, _ in lines_of(file, json_lines=True) for line in lines]
    return (np.flatnonzero(filled) + 1).astype(np.uint32)
