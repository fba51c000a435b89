"""Batches: the slots of rows, and the six fields of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from property_tests.testing.oracle.documents import Row
from property_tests.testing.oracle.groups import halved

Fields = dict[str, list[list[int]]]


def next_batch(rows: Iterator[Row], size: int, shards: int, *, drop_remainder: bool) -> list[Row] | None:
    """Returns the next rows, each in its slot; None at the end. Rows that fill up the last batch are empty."""
    taken = list(islice(rows, size))
    if len(taken) == size:
        return in_slots(taken, shards)
    if not taken or drop_remainder:
        return None
    return taken + [Row()] * (size - len(taken))


def in_slots(rows: Sequence[Row], shards: int) -> list[Row]:
    """Puts each row of a full batch in a slot of the shard that measured it, if there is one.

    With one shard, slots are the order.
    """
    if shards == 1:
        return [*rows]
    slots = [(s + 1) * len(rows) // shards - s * len(rows) // shards for s in range(shards)]
    own = [[row for row in rows if row.owner == shard] for shard in range(shards)]
    of_nobody = iter([row for row in rows if row.owner is None])
    placed: list[Row] = []
    for (kept, given), count in zip(halved(own, slots), slots, strict=True):
        placed += kept + given
        placed += islice(of_nobody, count - len(kept) - len(given))
    return placed


def default_shards(largest_batch: int) -> int:
    """Returns the default number of logical shards if lengths are not known."""
    dividing = [shards for shards in range(33, 65) if largest_batch % shards == 0]
    return max(dividing, default=min(64, largest_batch))


@dataclass(frozen=True)
class RowFormat:
    """The settings that turn a row into six fields."""

    length: int
    eod_id: int = 0
    pad_id: int = 0
    shift: str = "inputs"

    def batch(self, rows: Sequence[Row]) -> Fields:
        """Makes the six fields of an ``LLMBatch`` as nested lists."""
        of_rows = [self.cells(row) for row in rows]
        return {name: [fields[name] for fields in of_rows] for name in of_rows[0]}

    def cells(self, row: Row) -> dict[str, list[int]]:
        """Makes the six fields of one row."""
        text = [token for span in row.spans for token in span.tokens]
        number = [place for place, span in enumerate(row.spans, start=1) for _ in span.tokens]
        position = [place for span in row.spans for place in range(len(span.tokens))]
        padding = self.length - len(text)
        text = text + [self.pad_id] * padding
        number = number + [0] * padding
        position = position + [0] * padding
        inputs, targets, target_number = text, text, number
        if self.shift == "inputs":
            # The row is shifted right as a whole. Then no token of a document stays an input to another.
            inputs = [self.eod_id, *text[:-1]]
            at = 0
            for span in row.spans:
                inputs[at] = span.document.tokens[span.offset - 1] if span.offset else self.eod_id
                at += len(span.tokens)
        elif self.shift == "targets":
            targets = [*text[1:], self.pad_id]
            target_number = list(number)
            at = 0
            for span in row.spans:
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
