"""``InMemoryDataLoader``: minibatches of arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import jax
import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.digest import content_digest, digest
from resumable_data.errors import PipelineError
from resumable_data.interfaces.loaders.order import PassOrder, as_seed, check_settings, count_minibatches
from resumable_data.interfaces.loaders.passes import IndexedPass
from resumable_data.opaque import PyTree, Record
from resumable_data.sources.source import evenly_spaced

TreeT = TypeVar("TreeT")

_SAMPLED = 64


@dataclass(frozen=True, eq=False)
class InMemoryDataLoader(Generic[TreeT]):
    """Minibatches of a pytree of arrays. The first axis of each array is the axis of samples.

    Attributes:
        dataset: The arrays.
        minibatch_size: Samples of a minibatch.
        drop_last: Whether to leave out the last samples if they do not fill a minibatch.
        sample_count: The number of samples.

    Raises:
        PipelineError: There are no arrays, they differ in their number of samples, or a setting is impossible.

    >>> loader = InMemoryDataLoader({"x": np.arange(10)}, minibatch_size=4)
    >>> [batch["x"].tolist() for batch in loader.minibatches(shuffle_seed=0)]
    [[4, 6, 2, 7], [3, 5, 9, 0]]
    >>> loader.minibatches(shuffle_seed=None)[-1]["x"].tolist(), loader.minibatch_count()
    ([4, 5, 6, 7], 2)
    """

    dataset: TreeT
    minibatch_size: int
    drop_last: bool = True
    sample_count: int = field(init=False)

    def __post_init__(self) -> None:
        check_settings("InMemoryDataLoader", self.minibatch_size, self.drop_last)
        leaves = cast(list[tuple[PyTree, PyTree]], jax.tree_util.tree_leaves_with_path(self.dataset))
        if not leaves:
            raise PipelineError("InMemoryDataLoader: the data set has no arrays; give a pytree of arrays")
        counts: dict[str, int] = {}
        for path, leaf in leaves:
            shape = getattr(leaf, "shape", None)
            if not shape:
                name = jax.tree_util.keystr(path) or "the data set"
                raise PipelineError(
                    f"InMemoryDataLoader: {name} is {type(leaf).__name__} and has no axis of samples; give arrays "
                    "whose first axis is that of the samples"
                )
            counts[jax.tree_util.keystr(path) or "the data set"] = int(shape[0])
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise PipelineError(f"InMemoryDataLoader: all arrays need the same number of samples, but {listed}")
        object.__setattr__(self, "sample_count", next(iter(counts.values())))

    def minibatch_count(self) -> int:
        """Counts the minibatches of a pass."""
        return count_minibatches(self.sample_count, self.minibatch_size, self.drop_last)

    def minibatches(self, shuffle_seed: int | None) -> Sequence[TreeT]:
        """Makes a pass over the samples, shuffled if there is a seed. Its minibatches can be taken by index.

        Raises:
            PipelineError: The seed is negative or not an integer.
        """
        order = PassOrder(self.sample_count, self.minibatch_size, self.drop_last, as_seed(shuffle_seed))
        return IndexedPass(order, {"kind": "in_memory", "content": self._content()}, self._load)

    def _load(self, order: PassOrder, step: int) -> Iterator[TreeT]:
        for minibatch in range(step, order.count):
            yield self._gather(order.samples_of(minibatch))

    def _gather(self, samples: Int64Array) -> TreeT:
        def gather(leaf: PyTree) -> PyTree:
            return leaf[samples]

        return jax.tree.map(gather, self.dataset)

    def _content(self) -> str:
        """Returns a digest of the structure and of some samples."""
        leaves: list[Record] = jax.tree.leaves(self.dataset)
        sampled = cast(Any, self._gather(evenly_spaced(self.sample_count, _SAMPLED)))
        shapes = [f"{leaf.dtype}{list(leaf.shape)}" for leaf in leaves]
        return digest(
            "in-memory",
            str(cast(Any, jax.tree.structure(self.dataset))),
            *shapes,
            *(content_digest(np.asarray(leaf)) for leaf in jax.tree.leaves(sampled)),
        )
