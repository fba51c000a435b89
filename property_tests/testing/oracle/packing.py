"""The rows of one window, by each strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from property_tests.testing.oracle.documents import Document, Row, Span, keyed_order

Numbered = tuple[int, Span]
"""A span with its number among all spans of the window."""

LAID_AT_MOST = 3
"""The most times that documents are laid end to end, to see whether fewer rows are enough."""


@dataclass(frozen=True)
class Packing:
    """The packing of windows: the arguments of ``pack``, or of ``pad`` if the strategy is "pad"."""

    strategy: str
    length: int
    truncate: str | bool = False
    max_documents: int | None = None

    def rows(self, window: Sequence[Document]) -> list[Row]:
        """Orders rows by the document that stands first in them, and spans by their documents."""
        documents = [
            document.cut_to(self.length, self.truncate) if self.truncate else document for document in window
        ]
        most = self.max_documents or len(documents) or 1
        packed = [sorted(row, key=_place) for row in PACKERS[self.strategy](documents, self.length, most)]
        return [Row(tuple(span for _, span in row)) for row in sorted(packed, key=lambda row: row[0][0])]

    def shuffled_rows(self, window: Sequence[Document], *key: int | str) -> list[Row]:
        """Puts the rows in a keyed order. Padded rows keep their order."""
        rows = self.rows(window)
        if self.strategy == "pad":
            return rows
        places = keyed_order(len(rows), "pack.rows", *key)
        return [row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0])]

    def fills(self, documents: Sequence[Document], rows: int) -> bool:
        """Says whether the documents have the tokens of a number of rows, or with padding make as many rows."""
        lengths = [len(document.tokens) for document in documents]
        kept = [min(length, self.length) for length in lengths] if self.truncate else lengths
        if self.strategy == "pad":
            return sum(-(-length // self.length) for length in kept) >= rows
        return sum(kept) >= rows * self.length


def _place(span: Numbered) -> int:
    return span[0]


def _spans(window: Sequence[Document], length: int) -> list[Numbered]:
    """Cuts every document into full rows and a rest."""
    spans = [
        Span(document, offset, document.tokens[offset : offset + length])
        for document in window
        for offset in range(0, len(document.tokens), length)
    ]
    return list(enumerate(spans))


def _free(row: list[Numbered], length: int) -> int:
    return length - sum(len(span.tokens) for _, span in row)


def _holds(row: list[Numbered], document: Document) -> bool:
    return any(span.document.name == document.name for _, span in row)


def _fitting(
    rows: list[list[Numbered]], span: Span, length: int, most: int, *, may_hold_it_twice: bool
) -> list[list[Numbered]]:
    """Returns the rows with room for a span. A row with its document counts only if no other has room, if at all."""
    with_room = [row for row in rows if _free(row, length) >= len(span.tokens) and len(row) < most]
    others = [row for row in with_room if not _holds(row, span.document)]
    return with_room if not others and may_hold_it_twice else others


def _few_different(window: Sequence[Document], length: int) -> bool:
    """Says whether all different documents of a window fit in one row."""
    different = {document.name: len(document.tokens) for document in reversed(window)}
    return sum(different.values()) <= length


def _first_fit(window: Sequence[Document], length: int, most: int) -> list[list[Numbered]]:
    rows: list[list[Numbered]] = []
    few = _few_different(window, length)
    for numbered in _spans(window, length):
        fitting = _fitting(rows, numbered[1], length, most, may_hold_it_twice=few)
        if fitting:
            fitting[0].append(numbered)
        else:
            rows.append([numbered])
    return rows


def _best_fit(window: Sequence[Document], length: int, most: int) -> list[list[Numbered]]:
    rows: list[list[Numbered]] = []  # the row filled last stands last
    few = _few_different(window, length)
    first = {document.name: place for place, document in reversed([*enumerate(window)])}
    spans = _spans(window, length)
    copies = Counter(span.document.name for _, span in spans if len(span.tokens) < length)

    def rank(numbered: Numbered) -> tuple[int, int, int]:
        """Orders spans: full rows first, then the most copies, then the longest. Copies stay together."""
        tokens, name = numbered[1].tokens, numbered[1].document.name
        return -copies[name] if len(tokens) < length else -len(spans), -len(tokens), first[name]

    for numbered in sorted(spans, key=rank):
        fitting = _fitting(rows, numbered[1], length, most, may_hold_it_twice=few)
        if fitting:
            least = min(_free(row, length) for row in fitting)
            row = [row for row in fitting if _free(row, length) == least][-1]
            rows = [other for other in rows if other is not row]
        else:
            row = []
        row.append(numbered)
        rows.append(row)
    return rows


def _concat_split(window: Sequence[Document], length: int, most: int) -> list[list[Numbered]]:
    documents = [document for document in window if document.tokens]
    rows: list[list[Numbered]] = []
    number = 0
    for document, new_row in apart(documents, length, most):
        if new_row:
            rows.append([])
        offset = 0
        while offset < len(document.tokens):
            if not rows or _free(rows[-1], length) == 0:
                rows.append([])
            tokens = document.tokens[offset : offset + _free(rows[-1], length)]
            rows[-1].append((number, Span(document, offset, tokens)))
            number += 1
            offset += len(tokens)
    return rows


def apart(documents: Sequence[Document], length: int, most: int) -> list[tuple[Document, bool]]:
    """Lays documents end to end so that no row holds one twice. Returns them, and whether each begins a new row.

    No row holds more than ``most`` documents.

    If rows are not full, the documents that came last are laid first, up to twice, to see whether fewer rows do.
    """
    few = _few_different(documents, length)
    if few:
        return _lay(documents, length, most, may_meet=True)[1]
    fewest = max(-(-sum(len(document.tokens) for document in documents) // length), -(-len(documents) // most))
    copies = Counter(document.name for document in documents)
    tries: list[tuple[int, list[tuple[Document, bool]]]] = []
    for _ in range(1 if max(copies.values()) > fewest else LAID_AT_MOST):
        rows, laid, left = _lay(documents, length, most)
        tries.append((rows, laid))
        if rows == fewest:
            break
        documents = [*left, *(document for document in documents if not any(document is other for other in left))]
    return min(tries, key=lambda tried: tried[0])[1]


def _lay(
    documents: Sequence[Document], length: int, most: int, *, may_meet: bool = False
) -> tuple[int, list[tuple[Document, bool]], Sequence[Document]]:
    """Lays the first document that the current row does not hold, again and again.

    Returns:
        The number of rows, the documents in their order, and those that were left when a row was first closed.
    """
    waiting, laid = [*documents], list[tuple[Document, bool]]()
    left_first: list[Document] = []
    row, place, new_row = 0, 0, False  # `place` tokens stand in the current row
    last_row: dict[tuple[str, int], int] = {}
    documents_in: Counter[int] = Counter()
    while waiting:
        if documents_in[row] == most:
            row, place, new_row = row + 1, 0, True
        may_lie = [document for document in waiting if may_meet or last_row.get(document.name) != row]
        if not may_lie:
            left_first = left_first or [*waiting]
            row, place, new_row = row + 1, 0, True
            continue
        document = may_lie[0]
        waiting = [other for other in waiting if other is not document]
        laid.append((document, new_row))
        stop = place + len(document.tokens)
        last_row[document.name] = row + (stop - 1) // length
        documents_in.update(range(row, last_row[document.name] + 1))
        row, place, new_row = row + stop // length, stop % length, False
    return row + (place > 0), laid, left_first


def _one_a_row(window: Sequence[Document], length: int, most: int) -> list[list[Numbered]]:
    return [[numbered] for numbered in _spans(window, length)]


PACKERS: dict[str, Callable[[Sequence[Document], int, int], list[list[Numbered]]]] = {
    "best_fit": _best_fit,
    "first_fit": _first_fit,
    "concat_split": _concat_split,
    "pad": _one_a_row,
}
"""The naive version of every strategy of the package. ``pad`` is ``one_a_row`` there."""

STRATEGIES = tuple(name for name in PACKERS if name != "pad")
"""The strategies of ``pack``, with which random pipelines are drawn."""
