"""The random_map stage: a function of a document and of a generator of its own for each epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from resumable_data.arrays import Int64Array
from resumable_data.opaque import Document
from resumable_data.order.keyed_hash import derive_key
from resumable_data.order.occurrences import epochs_of, records_of
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.stages.map import Map
from resumable_data.state import Settings

VERSION = 1


@dataclass(frozen=True)
class RandomMap(Map):
    """A pure function of one document and a generator. Seed, epoch and record decide what the generator draws.

    Attributes:
        seed: Any integer.
        level: Number of random maps before it. So two of them with one seed draw different numbers.
    """

    seed: int
    level: int

    @property
    @override
    def name(self) -> str:
        return "random_map"

    @override
    def settings(self) -> Settings:
        return {"function": self.function_name, "seed": self.seed}

    @override
    def algorithms(self) -> dict[str, int]:
        return {"random_map": VERSION}

    @property
    @override
    def epoch_dependent(self) -> bool:
        return True

    @override
    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the mapped documents of int64[n] occurrences.

        Raises:
            RecordError: The function fails, or breaks its promise to preserve lengths.
        """
        epochs, records = epochs_of(indices).tolist(), records_of(indices).tolist()

        def mapped(document: Document, place: int) -> Document:
            draws = generator(self.seed, self.level, epochs[place], records[place])
            return self._mapped(document, lambda: name(place), draws)

        return documents.map(mapped)


def generator(seed: int, level: int, epoch: int, record: int) -> np.random.Generator:
    """Returns the generator of a record in an epoch, for the random map that has ``level`` others before it.

    >>> generator(7, 0, 1, 5).random() == generator(7, 0, 1, 5).random()
    True
    """
    low, high = derive_key("random_map", seed, level, epoch, record, words=2)
    return np.random.Generator(np.random.Philox(key=low | high << 64))
