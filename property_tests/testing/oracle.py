"""A slow pipeline that says what the order must be: lists and integers, one rule of the design at a time.

It shares the keyed permutation with the package, whose own tests are elsewhere, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice, pairwise

import numpy as np

from resumable_data.order.permutation import permutation

Fields = dict[str, list[list[int]]]


@dataclass(frozen=True)
class Document:
    """A document of the stream: a record in an epoch, with its tokens and how many truncation cut off."""

    epoch: int
    record: int
    tokens: list[int]
    cut_off: int = 0


@dataclass(frozen=True)
class Span:
    """A stretch of a document that lies in one row."""

    document: Document
    offset: int
    tokens: list[int]


Row = list[Span]


@dataclass(frozen=True)
class Oracle:
    """A pipeline; the attributes are the arguments of the package's stages.

    ``documents`` are those of one epoch, as the stages leave them; those ``dropped`` keep their positions, without
    tokens.
    """

    documents: Sequence[list[int]]
    path: str = "data"
    seed: int | None = None
    block: int | None = None
    epochs: int | None = 1
    strategy: str = "best_fit"
    window: int = 4096
    length: int = 8
    truncate: bool = False
    eod_id: int = 0
    pad_id: int = 0
    shift: str = "inputs"
    batch_size: int = 1
    drop_remainder: bool = True
    shards: int = 1
    shard: int = 0
    dropped: frozenset[int] = frozenset()

    def stream(self) -> Iterator[Document]:
        """All documents of the shard that are not left out, epoch by epoch."""
        for epoch in self._epoch_numbers():
            yield from (document for document in self._epoch(epoch) if document.record not in self.dropped)

    def dropped_before(self, rows: int) -> int:
        """Documents left out of the windows whose rows are among the first so many, all of them."""
        end = dropped = 0
        for window in self._windows():
            end += len(self._packed([self._truncated(document) for document in window]))
            if end > rows:
                break
            dropped += sum(document.record in self.dropped for document in window)
        return dropped

    def rows(self) -> Iterator[Row]:
        """All rows, window by window."""
        for number, window in enumerate(self._windows()):
            rows = self._packed([self._truncated(document) for document in window])
            if self.seed is None or self.strategy == "pad":
                yield from rows
            else:
                of_shard = () if self.shards == 1 else (self.shard,)
                places = _keyed_order(len(rows), "pack.rows", self.seed, self.path, number, *of_shard)
                yield from (row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0]))

    def batched_rows(self) -> Iterator[list[Row]]:
        """The rows of every batch; those that fill up the last one are empty."""
        share = self.batch_size // self.shards
        rows_of_shards = [replace(self, shard=shard).rows() for shard in range(self.shards)]
        while any(parts := [list(islice(rows, share)) for rows in rows_of_shards]):
            if self.drop_remainder and any(len(part) < share for part in parts):
                return
            yield [row for part in parts for row in part + [[] for _ in range(share - len(part))]]

    def batches(self) -> Iterator[Fields]:
        """All batches: the six fields of an ``LLMBatch`` as nested lists."""
        for rows in self.batched_rows():
            of_rows = [self.cells(row) for row in rows]
            yield {name: [fields[name] for fields in of_rows] for name in of_rows[0]}

    def cells(self, row: Row) -> dict[str, list[int]]:
        """The six fields of one row."""
        text = [token for span in row for token in span.tokens]
        number = [place for place, span in enumerate(row, start=1) for _ in span.tokens]
        position = [place for span in row for place in range(len(span.tokens))]
        padding = self.length - len(text)
        text = text + [self.pad_id] * padding
        number = number + [0] * padding
        position = position + [0] * padding
        inputs, targets, target_number = text, text, number
        if self.shift == "inputs":
            # Shifted right as a whole, then nothing of one document is left as an input to another.
            inputs = [self.eod_id, *text[:-1]]
            at = 0
            for span in row:
                inputs[at] = span.document.tokens[span.offset - 1] if span.offset else self.eod_id
                at += len(span.tokens)
        elif self.shift == "targets":
            targets = [*text[1:], self.pad_id]
            target_number = list(number)
            at = 0
            for span in row:
                at += len(span.tokens)
                targets[at - 1] = self.pad_id
                target_number[at - 1] = 0
        return {
            "inputs": inputs,
            "targets": targets,
            "inputs_position": position,
            "inputs_segmentation": number,
            "targets_position": position,
            "targets_segmentation": target_number,
        }

    def _epoch_numbers(self) -> Iterator[int]:
        return iter(count() if self.epochs is None else range(self.epochs))

    def _epoch(self, epoch: int) -> list[Document]:
        positions = enumerate(self._order(epoch), start=epoch * len(self.documents))
        records = [record for position, record in positions if position % self.shards == self.shard]
        return [Document(epoch, record, self.documents[record]) for record in records]

    def _order(self, epoch: int) -> list[int]:
        size, key = len(self.documents), (self.seed, self.path, epoch)
        if self.seed is None:
            return list(range(size))
        if self.block is None:
            return _keyed_order(size, "shuffle", *key)
        order: list[int] = []
        for block in _keyed_order(-(-size // self.block), "shuffle.blocks", *key):
            members = range(size)[block * self.block : (block + 1) * self.block]
            order += [members[place] for place in _keyed_order(len(members), "shuffle.block", *key, block)]
        return order

    def _windows(self) -> Iterator[list[Document]]:
        size, in_shards = len(self.documents), self.window * self.shards
        epochs = (documents for epoch in self._epoch_numbers() if (documents := self._epoch(epoch)))
        if size <= in_shards / 2:  # whole epochs, as many as fit
            fitting, end = in_shards // size, 0
            for first in epochs:
                epoch = first[0].epoch
                if epoch >= end:
                    end = epoch + fitting if self.epochs is None else min(epoch + fitting, self.epochs)
                    later = (document for number in range(epoch + 1, end) for document in self._epoch(number))
                    yield [*first, *later]
        else:
            first_window = math.ceil(self.window * (self.shard + 1) / self.shards)
            for number, documents in enumerate(epochs):
                if number == 0 and self.shards > 1 and first_window < len(documents):
                    yield documents[:first_window]
                    documents = documents[first_window:]
                windows = math.ceil(len(documents) / self.window)
                cuts = [cut * len(documents) // windows for cut in range(windows + 1)]
                yield from (documents[begin:end] for begin, end in pairwise(cuts))

    def _truncated(self, document: Document) -> Document:
        kept = document.tokens[: self.length] if self.truncate else document.tokens
        return Document(document.epoch, document.record, kept, len(document.tokens) - len(kept))

    def _packed(self, window: list[Document]) -> list[Row]:
        """Rows in the order of what stands first in them, their spans in the order of the documents."""
        rows = _PACKERS[self.strategy](window, self.length)
        return [[span for _, span in row] for row in sorted((sorted(row, key=_place) for row in rows), key=_first)]


_Numbered = tuple[int, Span]  # a span with its place among all of the window


def _place(span: _Numbered) -> int:
    return span[0]


def _first(row: list[_Numbered]) -> int:
    return row[0][0]


def _keyed_order(size: int, purpose: str, *key: int | str | None) -> list[int]:
    if size == 0:
        return []
    return permutation(size, purpose, *key)(np.arange(size)).tolist()


def _spans(window: list[Document], length: int) -> list[_Numbered]:
    """Every document cut into full rows and a rest."""
    spans = [
        Span(document, offset, document.tokens[offset : offset + length])
        for document in window
        for offset in range(0, len(document.tokens), length)
    ]
    return list(enumerate(spans))


def _free(row: list[_Numbered], length: int) -> int:
    return length - sum(len(span.tokens) for _, span in row)


def _first_fit(window: list[Document], length: int) -> list[list[_Numbered]]:
    rows: list[list[_Numbered]] = []
    for numbered in _spans(window, length):
        fitting = [row for row in rows if _free(row, length) >= len(numbered[1].tokens)]
        if fitting:
            fitting[0].append(numbered)
        else:
            rows.append([numbered])
    return rows


def _best_fit(window: list[Document], length: int) -> list[list[_Numbered]]:
    rows: list[list[_Numbered]] = []  # the one filled last stands last
    for numbered in sorted(_spans(window, length), key=lambda numbered: -len(numbered[1].tokens)):
        fitting = [row for row in rows if _free(row, length) >= len(numbered[1].tokens)]
        if fitting:
            least = min(_free(row, length) for row in fitting)
            row = [row for row in fitting if _free(row, length) == least][-1]
            rows = [other for other in rows if other is not row]
        else:
            row = []
        row.append(numbered)
        rows.append(row)
    return rows


def _concat_split(window: list[Document], length: int) -> list[list[_Numbered]]:
    rows: list[list[_Numbered]] = []
    number = 0
    for document in window:
        offset = 0
        while offset < len(document.tokens):
            if not rows or _free(rows[-1], length) == 0:
                rows.append([])
            tokens = document.tokens[offset : offset + _free(rows[-1], length)]
            rows[-1].append((number, Span(document, offset, tokens)))
            number += 1
            offset += len(tokens)
    return rows


def _one_a_row(window: list[Document], length: int) -> list[list[_Numbered]]:
    return [[numbered] for numbered in _spans(window, length)]


_PACKERS: dict[str, Callable[[list[Document], int], list[list[_Numbered]]]] = {
    "best_fit": _best_fit,
    "first_fit": _first_fit,
    "concat_split": _concat_split,
    "pad": _one_a_row,
}
