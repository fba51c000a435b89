"""Windows of documents to pack, drawn by Hypothesis, and the pieces that a strategy makes of a window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from resumable_data.packing.pieces import Pieces

# Lengths and the row length.
windows = st.integers(1, 12).flatmap(
    lambda row: st.tuples(
        st.lists(st.integers(0, 3 * row + 1) | st.sampled_from([0, row, row + 1, 2 * row]), max_size=40),
        st.just(row),
    )
)


@st.composite
def windows_with_copies(draw: st.DrawFn, most: int = 40) -> tuple[list[int], int, list[int]]:
    """Draws lengths, the row length and the first copy of each document, of few documents that occur often."""
    row_length = draw(st.integers(1, 12))
    lengths = draw(st.lists(st.integers(0, 2 * row_length + 1) | st.integers(1, 3), min_size=1, max_size=8))
    records = draw(st.lists(st.integers(0, len(lengths) - 1), max_size=most))
    return [lengths[record] for record in records], row_length, [records.index(record) for record in records]


def web_text_with_copies(n: int) -> tuple[list[int], int, list[int]]:
    """Makes a window of web text in which every second document is one of ten."""
    rng = np.random.default_rng(1)
    records = np.where(np.arange(n) % 2, rng.integers(0, 10, n), np.arange(n) + 10).tolist()
    lengths = rng.lognormal(5.8, 1, n + 10).astype(int).tolist()
    return [lengths[record] for record in records], 2048, [records.index(record) for record in records]


def pieces_of(
    strategy: Callable[..., Pieces],
    lengths: list[int],
    row_length: int,
    same: list[int] | None = None,
    most: int | None = None,
) -> list[tuple[int, int, int, int]]:
    """Returns document, offset, length and row of every piece that a strategy makes."""
    copies = None if same is None else np.array(same, np.int64)
    pieces = strategy(np.array(lengths, np.int64), row_length, copies, most)
    columns = (pieces.document, pieces.offset, pieces.length, pieces.row)
    return list(zip(*(column.tolist() for column in columns), strict=True))
