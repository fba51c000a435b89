"""Running pipelines and comparing what they deliver, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from itertools import islice
from typing import Any

import numpy as np

import resumable_data as rd
from resumable_data.sources.source import knows_lengths

FIELDS = tuple(f.name for f in fields(rd.LLMBatch) if not f.name.startswith("_"))


def raw(element: Any) -> Any:
    """An element as something that is equal only to an element with the same bytes, dtypes and shapes."""
    if isinstance(element, rd.LLMBatch):
        arrays = {name: getattr(element, name) for name in FIELDS}
    else:
        arrays = {"document": np.asarray(element)}
    return tuple((name, array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items())


def take(iterator: Any, count: int) -> list[Any]:
    """The next elements, or what is left, as ``raw``."""
    return [raw(element) for element in islice(iterator, count)]


def joined(batches: Sequence[rd.LLMBatch]) -> rd.LLMBatch:
    """The batches of several processes as the global batch."""
    return rd.LLMBatch(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in FIELDS})


def through_json(state: Any) -> Any:
    """The state as a checkpoint would give it back."""
    return json.loads(json.dumps(state))


def at_state(dataset: rd.Dataset[Any], state: Any) -> rd.DataIterator[Any]:
    """A fresh iterator at a saved position."""
    iterator = iter(dataset)
    iterator.set_state(through_json(state))
    return iterator


class FaultySource:
    """A source whose read fails on some records, for so many times.

    Attributes:
        failures: How often each record is still to fail.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.failures: dict[int, int] = {}
        if knows_lengths(source):
            # They can always be had, where they can be had at all.
            self.lengths = source.lengths

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return "faulty source"

    def read(self, indices: Any) -> Any:
        """The records, unless one is to fail."""
        for record in indices.tolist():
            if self.failures.get(record, 0) > 0:
                self.failures[record] -= 1
                raise rd.RecordError(f"faulty source, record {record}")
        return self._source.read(indices)

    def fingerprint(self) -> str:
        """That of the source without faults."""
        return self._source.fingerprint()


class Watched:
    """Records whose lengths show only when they are read, and which of them were.

    Attributes:
        seen: The index of every record that was read, as often as it was.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(self._source)

    def read(self, indices: Any) -> Any:
        """The records."""
        self.seen += indices.tolist()
        return self._source.read(indices)

    def fingerprint(self) -> str:
        """That of the records."""
        return self._source.fingerprint()
