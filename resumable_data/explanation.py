"""The documents of a global batch, as data that prints as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from resumable_data.digest import Json
from resumable_data.table import Shown, as_lines


@dataclass(frozen=True)
class Span:
    """A stretch of a document in a row.

    Its tokens ``[start, stop)`` stand in the row's text from ``column`` on. They are counted in the document after
    ``map``, ``append_eod`` and truncation.

    Attributes:
        component: The path of the component.
        record: The index of the document's record in the component's source.
        epoch: The epoch, from 0; None for a source without random access, which has no epochs.
        start: The document's first token in the row.
        stop: The token after the last one in the row.
        length: Tokens of the whole document.
        column: The column of the first token in the row's targets, or in its inputs if the inputs are not shifted.
        file: The path of the record's file; None if the source has no files or does not say.
        line: The record's line in this file, from 1; None if records are not lines.
    """

    component: str
    record: int
    epoch: int | None
    start: int
    stop: int
    length: int
    column: int
    file: str | None = None
    line: int | None = None

    @property
    def place(self) -> str | None:
        """The file and, if it has one, the line: ``web.jsonl:134``."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Explanation(Shown):
    """The documents of the global batch of a step. It prints as a table.

    Attributes:
        step: The step.
        row_length: Cells a row.
        rows: The spans of each row, in the order of its text. A row of padding has no spans.
    """

    step: int
    row_length: int
    rows: tuple[tuple[Span, ...], ...]

    def to_json(self) -> dict[str, Json]:
        """Returns the same as JSON values; keys are the attributes."""
        rows: list[Json] = [[asdict(span) for span in row] for row in self.rows]
        return {"step": self.step, "row_length": self.row_length, "rows": rows}

    def __str__(self) -> str:
        return self.table()

    def table(self, width: int | None = None) -> str:
        """Returns a table with a line for each span.

        Args:
            width: Characters a line. Names are cut to reach it; None cuts nothing.
        """
        tokens = sum(span.stop - span.start for row in self.rows for span in row)
        filled = tokens / max(1, len(self.rows) * self.row_length)
        lines = [
            f"step {self.step}: {len(self.rows)} rows of {self.row_length} tokens,",
            f"{sum(map(len, self.rows))} spans, {100 * filled:.2f} % filled",
        ]
        with_files = any(span.file is not None for row in self.rows for span in row)
        header = ["row", "column", "component", "epoch", "record", "tokens", "of", *(["file"] if with_files else [])]
        cells = [line for row, spans in enumerate(self.rows) for line in _lines_of_row(row, spans)]
        shown = [line[: len(header)] for line in cells]
        return "\n".join([" ".join(lines), *as_lines(header, shown, width, texts=["component", "file"])])


def _lines_of_row(row: int, spans: Sequence[Span]) -> list[list[object]]:
    """Returns the lines of the table for a row."""
    if not spans:
        return [[row, "", "(padding)", "", "", "", "", ""]]
    return [
        [
            row,
            span.column,
            span.component,
            "" if span.epoch is None else span.epoch,
            span.record,
            f"{span.start}:{span.stop}",
            span.length,
            span.place or "",
        ]
        for span in spans
    ]
