"""The random_map stage: a function of a document and a generator that is its own in every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError
from resumable_data.order.keyed_hash import derive_key
from resumable_data.order.occurrences import MOST_RECORDS, epochs_of, records_of
from resumable_data.reading.cut import made_of
from resumable_data.reading.dropped import DROPPED
from resumable_data.stages.map import Map
from resumable_data.state import Settings

VERSION = 1


@dataclass(frozen=True)
class RandomMap(Map):
    """A pure function of one document and of a generator, whose draws follow from seed, epoch and record.

    Plans of a chain that has such a stage name occurrences instead of records. The stages above hand the numbers on;
    those below it are asked for records, unless they are random themselves.

    Attributes:
        seed: Any integer.
    """

    seed: int

    def __post_init__(self) -> None:
        if self.random_access and self.epoch_size > MOST_RECORDS:
            raise PipelineError(f"random_map: {self.epoch_size} records an epoch; it can number {MOST_RECORDS}")

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
    def varies(self) -> bool:
        """True."""
        return True

    def lengths(self, records: Int64Array) -> Int64Array:
        """The parent's."""
        return self.parent.lengths(self._below(records))

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The mapped documents of int64[n] occurrences.

        Raises:
            RecordError: The function fails, or breaks its promise to preserve lengths.
        """
        documents = self.parent.read(self._below(records))
        # Random maps of one seed in one chain draw each their own.
        level = sum(isinstance(stage, RandomMap) for stage in self.parent.chain())
        occurring = zip(
            documents, records.tolist(), epochs_of(records).tolist(), records_of(records).tolist(), strict=True
        )
        return made_of(
            documents,
            [
                DROPPED
                if document is DROPPED
                else self._apply(document, number, generator(self.seed, level, epoch, record))
                for document, number, epoch, record in occurring
            ],
        )

    def name_of(self, record: int) -> str:
        """Source, index and epoch."""
        below = self.parent.name_of(int(self._below(np.array([record]))[0]))
        return below if self.parent.varies else f"{below}, epoch {int(epochs_of(np.array([record]))[0])}"

    def _below(self, numbers: Int64Array) -> Int64Array:
        """By which numbers the parent is asked for occurrences."""
        return numbers if self.parent.varies else records_of(numbers)


def generator(seed: int, level: int, epoch: int, record: int) -> np.random.Generator:
    """The generator of a record in an epoch, for the random map that has ``level`` others below it.

    >>> generator(7, 0, 1, 5).random() == generator(7, 0, 1, 5).random()
    True
    """
    low, high = derive_key("random_map", seed, level, epoch, record, words=2)
    return np.random.Generator(np.random.Philox(key=low | high << 64))
