"""Which records there are and in what order: selections, splits, ``shuffle`` and ``repeat``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from resumable_data.arguments import as_integer, optional
from resumable_data.dataset.component_stages import ComponentStages
from resumable_data.errors import PipelineError
from resumable_data.parts import Parts
from resumable_data.stages.repeat import Repeat
from resumable_data.stages.select import Selection, Slice, parts_of_split
from resumable_data.stages.shuffle import Shuffle

if TYPE_CHECKING:
    from resumable_data.dataset.documents import DocumentDataset

ElementT = TypeVar("ElementT")


class Ordering(ComponentStages[ElementT]):
    """The methods that decide which records there are, and in what order."""

    def shuffle(self, seed: int, block: int | None = None) -> DocumentDataset[ElementT]:
        """Gives every epoch another order: a keyed permutation in constant memory.

        Args:
            seed: Any integer.
            block: Shuffle blocks of so many neighbouring records, and the records within each block, instead of all
                records. It is for remote storage, where it is cheap to read neighbours together.

        Raises:
            PipelineError: The documents are shuffled or repeated already.
        """
        seed = as_integer("shuffle: seed", seed, most=None)
        block = optional(as_integer, "shuffle: block", block)
        return self._then(self._random_access("shuffle"), Shuffle(seed, block))

    def repeat(self, epochs: int | None = None) -> DocumentDataset[ElementT]:
        """Repeats the documents for several epochs, or without end; after ``shuffle`` each has its own order.

        Args:
            epochs: How many; None repeats without end.
        """
        epochs = optional(as_integer, "repeat: epochs", epochs)
        return self._then(self._random_access("repeat"), Repeat(epochs))

    def __getitem__(self, records: slice) -> DocumentDataset[ElementT]:
        """Selects records of the source, as Python slices a sequence: ``documents[:1000]``, ``documents[-100:]``.

        It counts records before ``shuffle`` and ``repeat``, whether a ``filter`` drops them later or not. It reads
        nothing.

        Raises:
            PipelineError: It is not a slice, leaves no record, or comes too late.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[1], [2], [3], [4]]))
        >>> list(documents[1:3]), len(documents[::2])
        ([[2], [3]], 2)
        """
        return self._select(Slice.of(records))

    def take(self, count: int) -> DocumentDataset[ElementT]:
        """Selects the first ``count`` records, as ``documents[:count]``.

        Raises:
            PipelineError: ``count`` is below 1, or it comes after ``shuffle``, ``repeat`` or ``filter``.
        """
        return self._select(Slice(0, _natural("take: count", count), None))

    def skip(self, count: int) -> DocumentDataset[ElementT]:
        """Leaves out the first ``count`` records, as ``documents[count:]``.

        Raises:
            PipelineError: ``count`` is below 1, no record is left, or it comes after ``shuffle``, ``repeat`` or
                ``filter``.
        """
        return self._select(Slice(_natural("skip: count", count), None, None))

    def split(self, shares: Mapping[str, float], *, seed: int) -> Parts[DocumentDataset[ElementT]]:
        """Splits the records into parts with these shares, such as one to train on and one to evaluate on.

        Each record is in exactly one part. Blocks of neighbours have as many records as the shares' common
        denominator (100 for 0.99 and 0.01). Each part has exactly its share of every block, chosen at random. The
        part of a record depends on its index alone, so that a corpus can grow at its end. Nothing is read.

        Args:
            shares: Positive numbers by name; a float is the decimal that it is printed as.
            seed: Any integer.

        Returns:
            The parts in the order given, to unpack; ``parts["eval"]`` is one of them.

        Raises:
            PipelineError: A share is not a positive number, a part has no record, or it comes after ``shuffle``,
                ``repeat`` or ``filter``.

        >>> import resumable_data as rd
        >>> documents = rd.Dataset.from_source(rd.InMemorySource([[token] for token in range(10)]))
        >>> train, held_out = documents.split({"train": 0.8, "eval": 0.2}, seed=1)
        >>> list(held_out), len(train)
        ([[2], [6]], 8)
        """
        parts = parts_of_split(shares, as_integer("split: seed", seed, most=None))
        return Parts({part.part: self._select(part) for part in parts})

    def _select(self, selection: Selection) -> DocumentDataset[ElementT]:
        return self._then(self._random_access(selection.name), selection)


def _natural(what: str, value: int) -> int:
    if (number := as_integer(what, value)) < 1:
        raise PipelineError(f"{what}={number} must be at least 1")
    return number
