"""``prefetching_map`` and ``sharding_map``: the same items, on devices."""

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


def prefetching_map(inputs: Iterable[ItemT], device: Device | None = None, buffer_size: int = 2) -> Any:
    """The same items in the same order, of which a few are ready, and on their way to a device, ahead of time.

    Transfers run in the background, so a loop that trains on one item does not wait for the next. The result has a
    length, can be iterated again, and has states exactly where ``inputs`` does; a state is that of what was handed
    over. Over an iterator it takes items of that very iterator: save the outermost one.

    Args:
        inputs: Items, each a pytree of arrays.
        device: Where they are put; None leaves them where they are.
        buffer_size: Items that are ready at most, the one that is handed over next among them.

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
            # Without a buffer, the items before the one that fails would have been handed over.
            yield from ready
            raise
        yield from ready

    return _mapped(inputs, prefetched)


@overload
def sharding_map(inputs: SizedIterable[ItemT], devices: Sequence[Device]) -> SizedIterable[ItemT]: ...


@overload
def sharding_map(inputs: Iterable[ItemT], devices: Sequence[Device]) -> Iterable[ItemT]: ...


def sharding_map(inputs: Iterable[ItemT], devices: Sequence[Device]) -> Any:
    """Items whose arrays are divided among devices: from ``(n, …)`` to ``(devices, n / devices, …)``.

    The part at an index of the first axis lies on the device at that index. Lengths and states are as those of
    ``prefetching_map``.

    Args:
        inputs: Items, each a pytree of arrays.
        devices: Devices of this process.

    Raises:
        PipelineError: There are no devices, or one twice; or, when an item is taken, they do not divide an array.

    >>> (batch,) = sharding_map([np.arange(4)], jax.devices()[:1])
    >>> batch.shape
    (1, 4)
    """
    if not len(devices):
        raise PipelineError("sharding_map: there are no devices")
    if len(set(devices)) < len(devices):
        raise PipelineError(f"sharding_map: a device is named twice: {', '.join(map(str, devices))}")
    sharding = NamedSharding(Mesh(np.array(devices), ("device",)), PartitionSpec("device"))

    def divided(leaf: Any) -> Any:
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
    """What is made of items, item by item.

    Attributes:
        inputs: The items.
        function: From items to as many, in the same order.
    """

    inputs: Iterable[ItemT]
    function: Callable[[Iterator[ItemT]], Iterator[ItemT]]

    def __iter__(self) -> LoaderIterator[ItemT]:
        return self._of_iterator if isinstance(self.inputs, LoaderIterator) else LoaderIterator(self)

    @cached_property
    def _of_iterator(self) -> LoaderIterator[ItemT]:
        # The one over an iterator goes on where a loop was left; another would miss what is ready.
        return LoaderIterator(self, cast(LoaderIterator[ItemT], self.inputs).step)

    def description(self) -> dict[str, Any]:
        """That of the inputs.

        Raises:
            StateError: They have none.
        """
        if not isinstance(self.inputs, Startable):
            raise StateError(
                f"{type(self.inputs).__name__} has no position that could be saved: map the minibatches of a loader, "
                "or cycled_minibatches"
            )
        return cast(Startable[ItemT], self.inputs).description()

    def start(self, step: int) -> Iterator[ItemT]:
        """What is made of the inputs from one on."""
        if isinstance(self.inputs, Startable):
            return self.function(cast(Startable[ItemT], self.inputs).start(step))
        if not step:
            return self.function(iter(self.inputs))
        raise StateError(f"{type(self.inputs).__name__} cannot start at item {step}, where an error has stopped it")


class _SizedMapped(_Mapped[ItemT]):
    """The same of inputs whose number is known."""

    def __len__(self) -> int:
        return len(cast(Sized, self.inputs))


def _mapped(inputs: Iterable[ItemT], function: Callable[[Iterator[ItemT]], Iterator[ItemT]]) -> _Mapped[ItemT]:
    return (_SizedMapped if hasattr(inputs, "__len__") else _Mapped)(inputs, function)
