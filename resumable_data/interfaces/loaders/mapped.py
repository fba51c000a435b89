"""``prefetching_map`` and ``sharding_map``: put items on devices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar, cast, overload

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from resumable_data.arguments import as_integer
from resumable_data.errors import PipelineError, StateError
from resumable_data.interfaces.loaders.protocols import SizedIterable, Startable
from resumable_data.interfaces.loaders.stateful import LoaderIterator
from resumable_data.opaque import JsonDict, PyTree

ItemT = TypeVar("ItemT")
# A jax.Device: JAX does not give type checkers its type.
Device = Any


@overload
def prefetching_map(
    inputs: SizedIterable[ItemT], device: Device | None = None, buffer_size: int = 2
) -> SizedIterable[ItemT]: ...


@overload
def prefetching_map(
    inputs: Iterable[ItemT], device: Device | None = None, buffer_size: int = 2
) -> Iterable[ItemT]: ...


def prefetching_map(inputs: Iterable[ItemT], device: Device | None = None, buffer_size: int = 2) -> PyTree:
    """Prepares a few items ahead, and sends them to a device. Items and order stay the same.

    Transfers run in the background, so a loop that trains on one item does not wait for the next. The result has a
    length, can be iterated again and has states if ``inputs`` does. A state counts the items handed over. If
    ``inputs`` is an iterator, the result takes the items of that iterator: save only the outermost iterator.

    Args:
        inputs: Items, each a pytree of arrays.
        device: The device of the items; None leaves them where they are.
        buffer_size: The most items that are ready, with the one that is handed over next.

    Raises:
        PipelineError: ``buffer_size`` is below 1.

    >>> list(prefetching_map([1, 2, 3], buffer_size=2))
    [1, 2, 3]
    """
    size = as_integer("prefetching_map: buffer_size", buffer_size)
    if size < 1:
        raise PipelineError(f"prefetching_map: buffer_size={size} must be at least 1")

    def prefetched(items: Iterator[ItemT]) -> Iterator[ItemT]:
        ready = deque[ItemT]()
        try:
            for item in items:
                ready.append(item if device is None else jax.device_put(item, device))
                if len(ready) == size:
                    yield ready.popleft()
        except Exception:
            # The items before the one that fails are delivered first, as they would be without a buffer.
            yield from ready
            raise
        yield from ready

    return _mapped(inputs, prefetched)


@overload
def sharding_map(inputs: SizedIterable[ItemT], devices: Sequence[Device]) -> SizedIterable[ItemT]: ...


@overload
def sharding_map(inputs: Iterable[ItemT], devices: Sequence[Device]) -> Iterable[ItemT]: ...


def sharding_map(inputs: Iterable[ItemT], devices: Sequence[Device]) -> PyTree:
    """Divides the arrays of items among devices: from ``(n, …)`` to ``(devices, n / devices, …)``.

    The part at an index of the first axis lies on the device at that index. Lengths and states are those of
    ``prefetching_map``.

    Args:
        inputs: Items, each a pytree of arrays.
        devices: Devices of this process.

    Raises:
        PipelineError: There are no devices, or one is listed twice. Or, when an item is taken, the number of devices
            does not divide an array.

    >>> (batch,) = sharding_map([np.arange(4)], jax.devices()[:1])
    >>> batch.shape
    (1, 4)
    """
    if not len(devices):
        raise PipelineError("sharding_map: there are no devices; give devices of this process")
    if len(set(devices)) < len(devices):
        raise PipelineError(f"sharding_map: a device is listed twice: {', '.join(map(str, devices))}")
    sharding = NamedSharding(Mesh(np.array(devices), ("device",)), PartitionSpec("device"))

    def divided(leaf: PyTree) -> PyTree:
        shape = np.shape(leaf)
        if not shape or shape[0] % len(devices):
            raise PipelineError(
                f"sharding_map: an array of shape {shape} cannot be divided among {len(devices)} devices along its "
                "first axis"
            )
        return leaf.reshape(len(devices), shape[0] // len(devices), *shape[1:])

    def sharded(items: Iterator[ItemT]) -> Iterator[ItemT]:
        for item in items:
            yield jax.device_put(jax.tree.map(divided, item), sharding)

    return _mapped(inputs, sharded)


@dataclass(frozen=True, eq=False)
class _Mapped(Generic[ItemT]):
    """Items that a function makes of other items, one of each.

    Attributes:
        inputs: The items.
        function: Makes an iterator over the new items of an iterator over the inputs, in the same order.
    """

    inputs: Iterable[ItemT]
    function: Callable[[Iterator[ItemT]], Iterator[ItemT]]

    def __iter__(self) -> LoaderIterator[ItemT]:
        return self._of_iterator if isinstance(self.inputs, LoaderIterator) else LoaderIterator(self)

    @cached_property
    def _of_iterator(self) -> LoaderIterator[ItemT]:
        # Each loop gets the same iterator: a new one would miss the items that are ready.
        return LoaderIterator(self, cast(LoaderIterator[ItemT], self.inputs).step)

    def description(self) -> JsonDict:
        """Returns the description of the inputs.

        Raises:
            StateError: They have none.
        """
        if not isinstance(self.inputs, Startable):
            raise StateError(
                f"{type(self.inputs).__name__} has no position to save: give the minibatches of a loader, or "
                "cycled_minibatches(…)"
            )
        return cast(Startable[ItemT], self.inputs).description()

    def start(self, step: int) -> Iterator[ItemT]:
        """Yields the new items from index ``step`` on."""
        if isinstance(self.inputs, Startable):
            return self.function(cast(Startable[ItemT], self.inputs).start(step))
        if not step:
            return self.function(iter(self.inputs))
        raise StateError(
            f"{type(self.inputs).__name__} stopped with an error at item {step} and cannot start there again: give "
            "the minibatches of a loader, or cycled_minibatches(…)"
        )


class _SizedMapped(_Mapped[ItemT]):
    """Items of inputs whose number is known."""

    def __len__(self) -> int:
        return len(cast(Sized, self.inputs))


def _mapped(inputs: Iterable[ItemT], function: Callable[[Iterator[ItemT]], Iterator[ItemT]]) -> _Mapped[ItemT]:
    return (_SizedMapped if hasattr(inputs, "__len__") else _Mapped)(inputs, function)
