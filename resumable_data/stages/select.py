"""The stages that choose records of a source by their index: ``take``, ``skip``, slices and ``split``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from resumable_data.arguments import as_integer, as_number, as_text, optional, shown
from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError
from resumable_data.order import split
from resumable_data.state import Settings

_NAMES = ("start", "stop", "step")


@runtime_checkable
class Selection(Protocol):
    """Some records of those that a stage has, which it reads nothing to know."""

    @property
    def name(self) -> str:
        """The stage's name."""
        ...

    def settings(self) -> Settings:
        """Returns the settings that decide which records."""
        ...

    def algorithms(self) -> dict[str, int]:
        """Returns versions of the algorithms that decide which records."""
        ...

    def count(self, records: int) -> int:
        """Returns how many of ``records`` records are chosen."""
        ...

    def select(self, places: Int64Array, records: int) -> Int64Array:
        """Returns int64[n], the records at int64[n] places of the selection from ``records`` records."""
        ...


@dataclass(frozen=True)
class Slice:
    """Records as Python slices a sequence.

    Attributes:
        start: As in a slice.
        stop: As in a slice.
        step: As in a slice.

    >>> Slice(1, None, 2).count(6), Slice(None, -1, None).count(6)
    (3, 5)
    """

    start: int | None
    stop: int | None
    step: int | None

    @classmethod
    def of(cls, given: object) -> Slice:
        """Returns the stage of a slice.

        Raises:
            PipelineError: It is not a slice of integers.
        """
        if not isinstance(given, slice):
            raise PipelineError(
                f"documents[{shown(given)}]: slices such as documents[:1000] choose records; iterate to see documents"
            )
        given_slice = cast(Any, given)
        start, stop, step = (
            optional(as_integer, f"documents[…]: {name}", getattr(given_slice, name)) for name in _NAMES
        )
        if step == 0:
            raise PipelineError("documents[…]: the step of a slice is not 0")
        return cls(start, stop, step)

    @property
    def name(self) -> str:
        """The stage's name."""
        return "slice"

    def settings(self) -> Settings:
        """Returns start, stop and step."""
        return {"start": self.start, "stop": self.stop, "step": self.step}

    def algorithms(self) -> dict[str, int]:
        """Returns nothing: no algorithm has a version here."""
        return {}

    def count(self, records: int) -> int:
        """Returns how many of ``records`` records are chosen."""
        return len(self._range(records))

    def select(self, places: Int64Array, records: int) -> Int64Array:
        """Returns the records at places of the slice."""
        chosen = self._range(records)
        return chosen.start + chosen.step * places

    def _range(self, records: int) -> range:
        return range(records)[self.start : self.stop : self.step]


@dataclass(frozen=True)
class PartOfSplit:
    """One part of a split.

    Attributes:
        part: Its name.
        of: The part itself.
    """

    part: str
    of: split.Part

    @property
    def name(self) -> str:
        """The stage's name."""
        return "split"

    def settings(self) -> Settings:
        """Returns the number of the part, the weights of all parts, and the seed."""
        return {"part": self.of.number, "weights": list(self.of.weights), "seed": self.of.seed}

    def algorithms(self) -> dict[str, int]:
        """Returns the version of the split."""
        return {"split": split.VERSION}

    def count(self, records: int) -> int:
        """Returns how many of ``records`` records are chosen."""
        return self.of.count(records)

    def select(self, places: Int64Array, records: int) -> Int64Array:
        """Returns the records at places of the part."""
        return self.of.records(places)


def parts_of_split(shares: Mapping[str, float], seed: int) -> list[PartOfSplit]:
    """Returns the parts of a split, in the order given.

    Raises:
        PipelineError: There are no parts, a share is not a positive number, or it is too small.
    """
    if not isinstance(cast(object, shares), Mapping) or not shares:
        raise PipelineError(f'split: {shown(shares)} must be shares by name, such as {{"train": 0.99, "eval": 0.01}}')
    for name, share in shares.items():
        if as_number(f"split: the share of {as_text('split: the name of a part', name)!r}", share) <= 0:
            raise PipelineError(f"split: the share of {name!r} is {share!r}; shares are positive numbers")
    total = sum(shares.values())
    for name, share in shares.items():
        if share / total * split.MOST_BLOCK < 1:
            raise PipelineError(
                f"split: the share of {name!r} is {share!r} of {total!r}, below one record in {split.MOST_BLOCK}. "
                "Hold a fixed number of records out instead: documents[:1000] and documents[1000:]"
            )
    weights, names = split.split_weights(shares), sorted(shares)
    return [PartOfSplit(name, split.Part(weights, names.index(name), seed)) for name in shares]
