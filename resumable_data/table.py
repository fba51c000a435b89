"""Text for people: tables, and their form in a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence

_GAP = "  "
_NARROWEST = 8
"""The fewest characters that a column of text is cut to."""


def as_lines(
    header: Sequence[str], rows: Sequence[Sequence[object]], width: int | None = None, *, texts: Sequence[str] = ()
) -> list[str]:
    r"""Formats a table as lines without trailing blanks.

    Args:
        header: The names of the columns.
        rows: The cells of each row.
        width: The most characters a line. Columns of text are cut to reach it, and keep their end, which tells paths
            apart. None cuts nothing.
        texts: The names of the columns of text, which are aligned to the left. Numbers are aligned to the right.

    >>> print("\n".join(as_lines(["row", "file"], [[8, "a/b/train_0"], [12, "c"]], 15, texts=["file"])))
    row  file
      8  …b/train_0
     12  c
    """
    cells = [[printable(str(cell)) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    of_text = [place for place, name in enumerate(header) if name in texts]
    if width is not None:
        widths = _narrowed(widths, of_text, width)
    lines: list[str] = []
    for row in cells:
        placed = (
            _fitted(cell, w).ljust(w) if place in of_text else cell.rjust(w)
            for place, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(_GAP.join(placed).rstrip())
    return lines


class Shown:
    """An answer that a notebook shows as it prints.

    >>> class Answer(Shown):
    ...     def __str__(self) -> str:
    ...         return "a < b"
    >>> Answer()._repr_html_()
    '<pre>a &lt; b</pre>'
    """

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def printable(text: str) -> str:
    r"""Escapes the control characters of a text: names are data, and must not control a terminal.

    >>> printable("web\x1b[2J\nü")
    'web\\x1b[2J\\nü'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()
        for character in text
    )


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def _narrowed(widths: Sequence[int], of_text: Sequence[int], width: int) -> list[int]:
    """Narrows the widest columns of text until a line fits the width, and returns all widths."""
    narrowed = list(widths)
    while sum(narrowed) + len(_GAP) * (len(narrowed) - 1) > width:
        widest = max(of_text, key=lambda place: narrowed[place], default=None)
        if widest is None or narrowed[widest] <= _NARROWEST:
            break
        narrowed[widest] -= 1
    return narrowed
