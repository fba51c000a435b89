"""Text for people: tables, and how a notebook shows it."""

from __future__ import annotations

import html
from collections.abc import Sequence

_GAP = "  "
_NARROWEST = 8
"""A column of text is never cut to fewer characters."""


def as_lines(
    header: Sequence[str], rows: Sequence[Sequence[object]], width: int | None = None, *, texts: Sequence[str] = ()
) -> list[str]:
    r"""The lines of a table, without trailing blanks.

    Args:
        header: The names of the columns.
        rows: What stands in them.
        width: Characters a line at most, as far as the columns of text can be cut; None cuts nothing. What is cut
            keeps its end, which tells paths apart.
        texts: The columns of text, which stand on the left of their columns; numbers stand on the right.

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
    """What a notebook shows as it prints.

    >>> class Answer(Shown):
    ...     def __str__(self) -> str:
    ...         return "a < b"
    >>> Answer()._repr_html_()
    '<pre>a &lt; b</pre>'
    """

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def printable(text: str) -> str:
    r"""A text whose control characters are escaped: names are data, and must not steer a terminal.

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
    """The widths of columns, where the widest of those of text are cut until a line has a width."""
    narrowed = list(widths)
    while sum(narrowed) + len(_GAP) * (len(narrowed) - 1) > width:
        widest = max(of_text, key=lambda place: narrowed[place], default=None)
        if widest is None or narrowed[widest] <= _NARROWEST:
            break
        narrowed[widest] -= 1
    return narrowed
