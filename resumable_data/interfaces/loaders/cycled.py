"""``cycled_minibatches``: passes over the data without end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Generic, TypeVar, cast

from resumable_data.errors import PipelineError, SourceError
from resumable_data.interfaces.loaders.order import as_seed
from resumable_data.interfaces.loaders.protocols import DataLoaderProtocol, Startable
from resumable_data.interfaces.loaders.stateful import LoaderIterator
from resumable_data.opaque import JsonDict

ItemT = TypeVar("ItemT")


def cycled_minibatches(dataloader: DataLoaderProtocol[ItemT], shuffle_seed: int | None) -> LoaderIterator[ItemT]:
    """Iterates over the minibatches of a loader, pass after pass, without end. Each pass has the next seed.

    The iterator is saved like a data iterator. A restore goes to a minibatch and does not load those before it. Only
    a loader of another library loads the earlier minibatches of that pass again.

    Args:
        dataloader: The loader that makes the passes.
        shuffle_seed: Seed of the first pass; None keeps the order of the data set.

    Raises:
        PipelineError: The loader has no minibatch, or the seed is negative or not an integer.

    >>> from resumable_data.loaders import InMemoryDataLoader
    >>> import numpy as np
    >>> batches = cycled_minibatches(InMemoryDataLoader(np.arange(10), minibatch_size=3), shuffle_seed=0)
    >>> [next(batches).tolist() for _ in range(4)]
    [[4, 6, 2], [7, 3, 5], [9, 0, 8], [8, 4, 7]]
    """
    count = dataloader.minibatch_count()
    if count < 1:
        raise PipelineError(
            "cycled_minibatches: a pass of this loader has no minibatch, since the data set has fewer samples than "
            f"minibatch_size={dataloader.minibatch_size}. Take smaller minibatches, or set drop_last=False"
        )
    return LoaderIterator(_Cycle(dataloader, as_seed(shuffle_seed), count))


@dataclass(frozen=True, eq=False)
class _Cycle(Generic[ItemT]):
    """Passes without end.

    Attributes:
        loader: The loader that makes the passes.
        seed: Seed of the first pass, or None.
        count: Minibatches of a pass.
    """

    loader: DataLoaderProtocol[ItemT]
    seed: int | None
    count: int

    def description(self) -> JsonDict:
        """Returns the description of the first pass, or the sizes of a loader of another library."""
        return dict(self._described)

    @cached_property
    def _described(self) -> JsonDict:
        # It is kept, since a pass shuffles all its samples, which is too slow for each state.
        first = self.loader.minibatches(self.seed)
        if isinstance(first, Startable):
            return {**first.description(), "cycled": True}
        sizes = {"minibatch_size": self.loader.minibatch_size, "minibatches": self.count}
        return {"kind": type(self.loader).__name__, **sizes, "seed": self.seed, "cycled": True}

    def start(self, step: int) -> Iterator[ItemT]:
        """Yields the minibatches from index ``step`` on.

        Raises:
            SourceError: The number of minibatches in a pass is not the loader's ``minibatch_count()``.
        """
        epoch, within = divmod(step, self.count)
        while True:
            minibatches = self.loader.minibatches(None if self.seed is None else self.seed + epoch)
            rest: Iterator[ItemT]
            if isinstance(minibatches, Startable):
                rest = cast(Startable[ItemT], minibatches).start(within)
            else:
                rest = islice(minibatches, within, None)
            for minibatch in rest:
                if within == self.count:
                    raise self._uneven(epoch, "more")
                yield minibatch
                within += 1
            if within < self.count:
                raise self._uneven(epoch, "fewer")
            epoch, within = epoch + 1, 0

    def _uneven(self, epoch: int, found: str) -> SourceError:
        return SourceError(
            f"cycled_minibatches: pass {epoch} has {found} minibatches than the {self.count} that minibatch_count() "
            "gave, so a step does not name a minibatch. If the data set changed its size, make a new loader"
        )
