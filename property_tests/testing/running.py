"""Runs pipelines, and compares their elements byte for byte."""

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
    """Converts an element to a value that is equal only for the same bytes, dtypes and shapes."""
    if isinstance(element, rd.LLMBatch):
        arrays = {name: getattr(element, name) for name in FIELDS}
    else:
        arrays = {"document": np.asarray(element)}
    return tuple((name, array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items())


def take(iterator: Any, count: int) -> list[Any]:
    """Returns the next elements, or the rest, as ``raw``."""
    return [raw(element) for element in islice(iterator, count)]


def joined(batches: Sequence[rd.LLMBatch]) -> rd.LLMBatch:
    """Joins the batches of several processes to the global batch."""
    return rd.LLMBatch(**{name: np.concatenate([getattr(b, name) for b in batches]) for name in FIELDS})


def through_json(state: Any) -> Any:
    """Returns the state as a checkpoint would return it."""
    return json.loads(json.dumps(state))


def at_state(dataset: rd.Dataset[Any], state: Any) -> rd.DataIterator[Any]:
    """Makes a fresh iterator at a saved position."""
    iterator = iter(dataset)
    iterator.set_state(through_json(state))
    return iterator


class FaultySource:
    """A source whose read fails on some records, a number of times.

    Attributes:
        failures: How often each record will still fail.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.failures: dict[int, int] = {}
        if knows_lengths(source):
            # Lengths are always known, or never.
            self.lengths = source.lengths

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return "faulty source"

    def read(self, indices: Any) -> Any:
        """Reads the records, unless one must fail."""
        for record in indices.tolist():
            if self.failures.get(record, 0) > 0:
                self.failures[record] -= 1
                raise rd.RecordError(f"faulty source, record {record}")
        return self._source.read(indices)

    def fingerprint(self) -> str:
        """Returns the fingerprint of the source without faults."""
        return self._source.fingerprint()


class Watched:
    """Records whose lengths are not known before reading. It notes which were read.

    Attributes:
        seen: The index of every read record, once for each read.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.seen: list[int] = []

    def __len__(self) -> int:
        return len(self._source)

    def read(self, indices: Any) -> Any:
        self.seen += indices.tolist()
        return self._source.read(indices)

    def fingerprint(self) -> str:
        return self._source.fingerprint()
