"""What one process sees of global batches: everything, or the rows and columns that are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from resumable_data.arrays import BoolArray, Int64Array
from resumable_data.batch import BatchT
from resumable_data.packing.plan import RowPlan


class View(Protocol):
    """What one process sees of a global batch."""

    def rows(self, n_rows: int) -> Int64Array:
        """Rows of a global batch of ``n_rows`` that this process needs: int64[m], ascending."""
        ...

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """Which spans of these rows it needs the tokens of, bool[n_spans], or None for all."""
        ...

    def finish(self, batch: BatchT, n_rows: int) -> BatchT:
        """What is handed over, made of a batch of these rows."""
        ...

    def struct(self, batch: BatchT) -> BatchT:
        """Shapes and dtypes of what is handed over, from those of the global batch."""
        ...

    @property
    def processes(self) -> tuple[int, ...]:
        """The processes of JAX that deliver batches together, ascending; none where this one does so alone."""
        ...

    @property
    def sharers(self) -> tuple[int, ...]:
        """The same for a process that delivers nothing of the batches of others: those others."""
        ...

    @property
    def place(self) -> int:
        """The place of this process among those that share a batch; after them where it has no part of it."""
        ...

    def rows_of_all(self, n_rows: int) -> Sequence[Int64Array]:
        """Rows of a global batch that each of these processes needs, in their order: int64[m] each."""
        ...


@dataclass(frozen=True)
class WholeBatch:
    """The view of a single process: every row, in NumPy."""

    def __str__(self) -> str:
        return ""

    def rows(self, n_rows: int) -> Int64Array:
        """All of them."""
        return np.arange(n_rows)

    def needs(self, plan: RowPlan, n_rows: int) -> BoolArray | None:
        """All of them."""
        return None

    def finish(self, batch: BatchT, n_rows: int) -> BatchT:
        """The batch as it is."""
        return batch

    def struct(self, batch: BatchT) -> BatchT:
        """The global shapes."""
        return batch

    @property
    def processes(self) -> tuple[int, ...]:
        """None: there is no other."""
        return ()

    @property
    def sharers(self) -> tuple[int, ...]:
        """None either."""
        return ()

    @property
    def place(self) -> int:
        """The first: it is alone."""
        return 0

    def rows_of_all(self, n_rows: int) -> Sequence[Int64Array]:
        """All of them."""
        return [self.rows(n_rows)]
