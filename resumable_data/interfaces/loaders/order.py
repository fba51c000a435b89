"""The samples of each minibatch of a pass."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from resumable_data.arguments import as_bool, as_integer, optional
from resumable_data.arrays import Int64Array
from resumable_data.errors import PipelineError


@dataclass(frozen=True)
class PassOrder:
    """The order of the samples in one pass.

    With a seed it is the shuffle of NumPy's ``default_rng(seed)``, as in ``fifteen.data``.

    Attributes:
        samples: The number of samples.
        minibatch_size: Samples of a minibatch.
        drop_last: Whether to leave out the last samples if they do not fill a minibatch.
        seed: Seed of the shuffle; None keeps the order of the data set.
        order: int64[samples], the samples in their order.

    >>> order = PassOrder(10, 4, True, 0)
    >>> order.count, order.samples_of(1).tolist(), PassOrder(10, 4, False, None).samples_of(2).tolist()
    (2, [3, 5, 9, 0], [8, 9])
    """

    samples: int
    minibatch_size: int
    drop_last: bool
    seed: int | None
    order: Int64Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = np.arange(self.samples)
        if self.seed is not None:
            np.random.default_rng(self.seed).shuffle(order)
        object.__setattr__(self, "order", order)

    @property
    def count(self) -> int:
        """The number of minibatches of the pass."""
        return count_minibatches(self.samples, self.minibatch_size, self.drop_last)

    def samples_of(self, minibatch: int) -> Int64Array:
        """Returns the samples of a minibatch: int64[minibatch_size], or fewer in the last one."""
        return self.order[minibatch * self.minibatch_size : (minibatch + 1) * self.minibatch_size]


def count_minibatches(samples: int, minibatch_size: int, drop_last: bool) -> int:
    """Counts the minibatches of a pass.

    >>> count_minibatches(10, 4, True), count_minibatches(10, 4, False)
    (2, 3)
    """
    return samples // minibatch_size if drop_last else -(-samples // minibatch_size)


def check_settings(loader: str, minibatch_size: object, drop_last: object) -> None:
    """Raises PipelineError unless a loader can have these settings."""
    if (size := as_integer(f"{loader}: minibatch_size", minibatch_size)) < 1:
        raise PipelineError(f"{loader}: minibatch_size={size} must be at least 1")
    as_bool(f"{loader}: drop_last", drop_last)


def as_seed(seed: object) -> int | None:
    """Checks a seed of the shuffle: NumPy takes no negative seed.

    Raises:
        PipelineError: It is negative or not an integer.
    """
    checked = optional(lambda what, value: as_integer(what, value, most=None), "shuffle_seed", seed)
    if checked is not None and checked < 0:
        raise PipelineError(f"shuffle_seed={checked} must not be negative")
    return checked
