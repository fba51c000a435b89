"""The random_map stage: a function of a document and a generator that is its own in every epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    """A pure function of one document and of a generator, whose draws follow from seed, epoch and record.

    Attributes:
        seed: Any integer.
        level: How many random maps stand before it, so that those of one seed draw each their own.
    """

    seed: int
    level: int

    @property
    def name(self) -> str:
        """The stage's name."""
        return "random_map"

    def settings(self) -> Settings:
        """The function's name and the seed."""
        return {"function": self.function_name, "seed": self.seed}

    def algorithms(self) -> dict[str, int]:
        """How generators are keyed."""
        return {"random_map": VERSION}

    @property
    def epoch_dependent(self) -> bool:
        """True."""
        return True

    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """The mapped documents of int64[n] occurrences.

        Raises:
            RecordError: The function fails, or breaks its promise to preserve lengths.
        """
        epochs, records = epochs_of(indices).tolist(), records_of(indices).tolist()

        def mapped(document: Document, place: int) -> Document:
            draws = generator(self.seed, self.level, epochs[place], records[place])
            return self._mapped(document, lambda: name(place), draws)

        return documents.map(mapped)


def generator(seed: int, level: int, epoch: int, record: int) -> np.random.Generator:
    """The generator of a record in an epoch, for the random map that has ``level`` others before it.

    >>> generator(7, 0, 1, 5).random() == generator(7, 0, 1, 5).random()
    True
    """
    low, high = derive_key("random_map", seed, level, epoch, record, words=2)
    return np.random.Generator(np.random.Philox(key=low | high << 64))
