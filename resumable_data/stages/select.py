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
        """The settings that decide which."""
        ...

    def algorithms(self) -> dict[str, int]:
        """Versions of the algorithms that decide which."""
        ...

    def count(self, records: int) -> int:
        """How many of so many records."""
        ...

    def select(self, places: Int64Array, records: int) -> Int64Array:
        """The records at int64[n] places of the selection, of so many records: int64[n]."""
        ...


@dataclass(frozen=True)
class Slice:
    """Records as Python slices a sequence.

    Attributes:
        start: As that of a slice.
        stop: As that of a slice.
        step: As that of a slice.

    >>> Slice(1, None, 2).count(6), Slice(None, -1, None).count(6)
    (3, 5)
    """

    start: int | None
    stop: int | None
    step: int | None

    @classmethod
    def of(cls, given: object) -> Slice:
        """The stage of a slice.

        Raises:
            PipelineError: It is not a slice, or not one of integers.
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
        """Where it starts and stops, and its step."""
        return {"start": self.start, "stop": self.stop, "step": self.step}

    def algorithms(self) -> dict[str, int]:
        """None."""
        return {}

    def count(self, records: int) -> int:
        """How many of so many records."""
        return len(self._range(records))

    def select(self, places: Int64Array, records: int) -> Int64Array:
        """The records at places of the slice."""
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
        """The weights of the parts, which one it is, and the seed."""
        return {"part": self.of.number, "weights": list(self.of.weights), "seed": self.of.seed}

    def algorithms(self) -> dict[str, int]:
        """How records are dealt out."""
        return {"split": split.VERSION}

    def count(self, records: int) -> int:
        """How many of so many records."""
        return self.of.count(records)

    def select(self, places: Int64Array, records: int) -> Int64Array:
        """The records at places of the part."""
        return self.of.records(places)


def parts_of_split(shares: Mapping[str, float], seed: int) -> list[PartOfSplit]:
    """The parts of a split, in the order given.

    Raises:
        PipelineError: There are no parts, a share is not a positive number, or it is too small beside the others.
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
