"""``DataLoader``: minibatches of a data set that does not fit into memory, loaded by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

import jax
import numpy as np

from resumable_data.arguments import as_function, as_integer
from resumable_data.digest import module_name
from resumable_data.errors import PipelineError
from resumable_data.interfaces.loaders.order import PassOrder, as_seed, check_settings, count_minibatches
from resumable_data.interfaces.loaders.passes import Pass
from resumable_data.interfaces.loaders.protocols import MapDatasetProtocol, SizedIterable
from resumable_data.interfaces.loaders.workers import Workers, load_here
from resumable_data.opaque import Element, PyTree, Record

ItemT = TypeVar("ItemT")


def stack(samples: list[Record]) -> PyTree:
    """Stacks the arrays of samples along a new first axis.

    >>> stack([{"x": 1}, {"x": 2}])["x"].tolist()
    [1, 2]
    """

    def stacked(*leaves: PyTree) -> PyTree:
        return np.stack(leaves)

    return jax.tree.map(stacked, *samples)


@dataclass(frozen=True, eq=False)
class DataLoader(Generic[ItemT]):
    """Minibatches of a data set with random access. The order is the same with and without worker processes.

    Attributes:
        dataset: Maps an index, a ``numpy.int64``, to a sample: an array or a pytree of arrays.
        minibatch_size: Samples of a minibatch.
        num_workers: Processes that load; 0 loads in the thread that iterates. They start with the first pass, and
            end with ``close()`` or with the loader.
        drop_last: Whether to leave out the last samples if they do not fill a minibatch.
        collate_fn: Makes a minibatch of a list of samples; by default it stacks their arrays.
        workers_state: The worker processes; None without them.

    Raises:
        PipelineError: A setting is impossible, or the data set cannot be sent to worker processes.

    >>> loader = DataLoader([np.float32(i) for i in range(5)], minibatch_size=2, drop_last=False)
    >>> [batch.tolist() for batch in loader.minibatches(shuffle_seed=None)]
    [[0.0, 1.0], [2.0, 3.0], [4.0]]
    """

    dataset: MapDatasetProtocol[Record]
    minibatch_size: int
    num_workers: int = 0
    drop_last: bool = True
    collate_fn: Callable[[list[Record]], PyTree] = stack
    workers_state: Workers[PyTree] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        check_settings("DataLoader", self.minibatch_size, self.drop_last)
        as_function("DataLoader: collate_fn", self.collate_fn)
        workers = as_integer("DataLoader: num_workers", self.num_workers)
        if workers < 0:
            raise PipelineError(f"DataLoader: num_workers={workers} must not be negative")
        if not hasattr(self.dataset, "__getitem__") or not hasattr(self.dataset, "__len__"):
            raise PipelineError(
                f"DataLoader: {type(self.dataset).__name__} has no random access; give a data set with len(dataset) "
                "and dataset[index]"
            )
        if workers:
            object.__setattr__(self, "workers_state", Workers(self.dataset, self.collate_fn, workers))

    def minibatch_count(self) -> int:
        """Counts the minibatches of a pass."""
        return count_minibatches(len(self.dataset), self.minibatch_size, self.drop_last)

    def minibatches(self, shuffle_seed: int | None) -> SizedIterable[ItemT]:
        """Makes a pass over the samples, shuffled if there is a seed. It can be iterated any number of times.

        Raises:
            PipelineError: The seed is negative or not an integer.
        """
        order = PassOrder(len(self.dataset), self.minibatch_size, self.drop_last, as_seed(shuffle_seed))
        kind = type(self.dataset)
        return Pass(
            order,
            {"kind": "data_loader", "dataset": f"{module_name(kind.__module__)}.{kind.__qualname__}"},
            self._load,
        )

    def close(self) -> None:
        """Ends the worker processes. A later pass starts new ones."""
        if self.workers_state is not None:
            self.workers_state.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, order: PassOrder, step: int) -> Iterator[Element]:
        if self.workers_state is None:
            return load_here(self.dataset, self.collate_fn, order, step)
        return self.workers_state.load(order, step)
