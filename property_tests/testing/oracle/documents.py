"""Documents, the rows that hold parts of them, and the order of the documents of an epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from resumable_data.order.permutation import permutation


@dataclass(frozen=True)
class Document:
    """A document of the stream: a record in an epoch.

    Attributes:
        epoch: The epoch.
        record: The record.
        tokens: The tokens after truncation.
        truncated: The number of truncated tokens.
        dropped: Whether the document is dropped. It keeps its position and has no tokens.
        component: The path of its component.
    """

    epoch: int
    record: int
    tokens: tuple[int, ...]
    truncated: int = 0
    dropped: bool = False
    component: str = "data"

    @property
    def name(self) -> tuple[str, int]:
        """Identifies the document: equal when the same document comes again."""
        return self.component, self.record

    def cut_to(self, length: int, side: str | bool) -> Document:
        """Truncates the document to ``length`` tokens, its first or, on the left, its last."""
        kept = self.tokens[-length:] if side == "left" else self.tokens[:length]
        return replace(self, tokens=kept, truncated=len(self.tokens) - len(kept))


@dataclass(frozen=True)
class Span:
    """A part of a document that lies in one row."""

    document: Document
    offset: int
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A row. ``owner`` is the logical shard that measured its documents; None if lengths are known."""

    spans: tuple[Span, ...] = ()
    owner: int | None = None


def keyed_order(size: int, purpose: str, *key: int | str | None) -> list[int]:
    """Returns the keyed permutation of ``range(size)``."""
    if size == 0:
        return []
    return permutation(size, purpose, *key)(np.arange(size)).tolist()


def epoch_order(size: int, seed: int | None, block: int | None, path: str, epoch: int) -> list[int]:
    """Returns the records of an epoch in the order of the stream."""
    if seed is None:
        return list(range(size))
    if block is None:
        return keyed_order(size, "shuffle", seed, path, epoch)
    order: list[int] = []
    for number in keyed_order(-(-size // block), "shuffle.blocks", seed, path, epoch):
        members = range(size)[number * block : (number + 1) * block]
        order += [members[place] for place in keyed_order(len(members), "shuffle.block", seed, path, epoch, number)]
    return order
