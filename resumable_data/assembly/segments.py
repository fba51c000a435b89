"""The cells of a batch's rows, gapless: spans, and padding where a row is not full."""

from __future__ import annotations

import numpy as np

from resumable_data.arrays import AnyArray, Int32Array, Int64Array, offsets_of
from resumable_data.packing.plan import RowPlan


class Segments:
    """The cells of all rows as a gapless sequence of spans and, where a row is not full, padding.

    Attributes:
        length: int64[n], cells of each segment.
        first: int64[n], its first cell.
        number: int32[n], number of the span in its row, from 1; 0 for padding.
        of_span: int64[n_spans], the segment of each span.
    """

    def __init__(self, length: Int64Array, number: Int32Array, of_span: Int64Array) -> None:
        self.length = length
        self.first = offsets_of(length)[:-1]
        self.number = number
        self.of_span = of_span

    @classmethod
    def of(cls, plan: RowPlan, row_length: int) -> Segments:
        """Finds the segments of a plan's rows."""
        counts = np.diff(plan.rows)
        filled = np.diff(offsets_of(plan.length)[plan.rows])
        padded = filled < row_length
        row_of_span = np.repeat(np.arange(len(plan)), counts)
        paddings_before = offsets_of(padded.astype(np.int64))
        of_span = np.arange(len(plan.length)) + paddings_before[:-1][row_of_span]
        of_padding = plan.rows[1:][padded] + paddings_before[:-1][padded]
        length = np.empty(len(of_span) + len(of_padding), np.int64)
        length[of_span] = plan.length
        length[of_padding] = row_length - filled[padded]
        number = np.zeros(len(length), np.int32)
        number[of_span] = np.arange(len(of_span)) - plan.rows[:-1][row_of_span] + 1
        return cls(length, number, of_span)

    def laid_out(self, values: AnyArray, starts: Int64Array, padding: int) -> AnyArray:
        """Copies the cells of every span into one array, with padding between them.

        Copying span by span keeps the cache, and is several times as fast as gathering cell by cell. Spans that reach
        beyond the values are those that nobody needs, and hold padding too.

        Args:
            values: [m], what the spans are stretches of.
            starts: int64[n_spans], where each begins.
            padding: What stands in the other cells.

        Returns:
            [n_cells], of the same dtype.
        """
        end = values.nbytes
        begins = np.full(len(self.length), end, np.int64)
        begins[self.of_span] = starts * values.itemsize
        sizes = self.length * values.itemsize
        longest = int(self.length.max(initial=0))
        given = np.ascontiguousarray(values).view(np.uint8).data
        fill = np.full(longest, padding, values.dtype).view(np.uint8).data
        pieces = [
            given[begin : begin + size] if begin + size <= end else fill[:size]
            for begin, size in zip(begins.tolist(), sizes.tolist(), strict=True)
        ]
        return np.frombuffer(bytearray().join(pieces), values.dtype)
