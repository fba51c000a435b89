"""The part of global batches that one process gets: everything, or its own rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.batch import BatchT
from resumable_data.packing.plan import RowPlan


class View(Protocol):
    """The part of a global batch that one process gets."""

    def rows(self, n_rows: int) -> Int64Array:
        """Returns int64[m], ascending: the rows of a global batch of ``n_rows`` that this process needs."""
        ...

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """Returns bool[n_spans], the spans of these rows whose tokens it needs, or None for all."""
        ...

    def finish(self, batch: BatchT, n_rows: int) -> BatchT:
        """Makes what is delivered from a batch of these rows."""
        ...

    def struct(self, batch: BatchT) -> BatchT:
        """Returns shapes and dtypes of what is delivered, from those of the global batch."""
        ...

    @property
    def processes(self) -> tuple[int, ...]:
        """The processes of JAX that deliver batches together, ascending; none if this one is alone."""
        ...

    @property
    def sharers(self) -> tuple[int, ...]:
        """The processes that share the batches, ascending, also if this process delivers none of them."""
        ...

    @property
    def place(self) -> int:
        """The place of this process among those that share a batch; after them if it has no part of it."""
        ...

    def rows_of_all(self, n_rows: int) -> Sequence[Int64Array]:
        """Returns the rows of a global batch that each of these processes needs: int64[m] each."""
        ...


@dataclass(frozen=True)
class WholeBatch:
    """The view of a single process: every row, in NumPy."""

    def __str__(self) -> str:
        return ""

    def rows(self, n_rows: int) -> Int64Array:
        """Returns all rows."""
        return np.arange(n_rows)

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """Returns None: all spans are needed."""
        return None

    def finish(self, batch: BatchT, n_rows: int) -> BatchT:
        """Returns the batch unchanged."""
        return batch

    def struct(self, batch: BatchT) -> BatchT:
        """Returns the global shapes."""
        return batch

    @property
    def processes(self) -> tuple[int, ...]:
        """None: this process is alone."""
        return ()

    @property
    def sharers(self) -> tuple[int, ...]:
        """None, for the same reason."""
        return ()

    @property
    def place(self) -> int:
        """0: this process is alone."""
        return 0

    def rows_of_all(self, n_rows: int) -> Sequence[Int64Array]:
        """Returns all rows, for the one process."""
        return [self.rows(n_rows)]
