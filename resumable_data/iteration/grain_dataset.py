"""A pipeline as a dataset of Grain. Importing this module imports Grain."""

from __future__ import annotations

from collections.abc import Callable, Collection

import grain

from resumable_data.engines.worker import Worker
from resumable_data.errors import PipelineError
from resumable_data.iteration.iterator import DataIterator
from resumable_data.opaque import Element, JsonDict, PyTree
from resumable_data.state import State

Open = Callable[[Worker], DataIterator[Element]]
"""Makes the iterator of one worker."""


class PipelineIterDataset(grain.IterDataset[Element]):
    """The elements of a pipeline, in its order, for Grain's transformations after it.

    Args:
        open_: Makes an iterator of the pipeline.
        bound: Whether its batches lie on devices, or are delivered together with other processes.
        struct: Returns shapes and dtypes of the first element.
        allow: What may differ between a saved pipeline and this one, as ``DataIterator.set_state`` takes it.
    """

    def __init__(self, open_: Open, bound: bool, struct: Callable[[], PyTree], allow: Collection[str] = ()) -> None:
        super().__init__()
        self._open = open_
        self._bound = bound
        self._struct = struct
        self._allow = allow
        self._worker = Worker(0, 1)

    def __str__(self) -> str:
        return f"resumable_data pipeline (worker {self._worker.index} of {self._worker.count})"

    def __iter__(self) -> PipelineDatasetIterator:
        return PipelineDatasetIterator(self._open(self._worker), self._worker, self._allow)

    @property
    def _element_spec(self) -> PyTree:
        """Shapes and dtypes for ``grain.experimental.get_element_spec``."""
        return self._struct()

    def set_slice(self, sl: slice, sequential_slice: bool = False) -> None:
        """Limits this dataset to one worker. Grain calls it on a copy, in each worker of ``mp_prefetch``.

        Args:
            sl: The elements that the worker delivers: ``slice(i, None, n)`` for worker ``i`` of ``n``.
            sequential_slice: Whether each worker gets one stretch of the data; must be False.

        Raises:
            PipelineError: The slice would change the order.
        """
        if sequential_slice:
            raise PipelineError("mp_prefetch: sequential_slice=True changes the order of a pipeline; leave it out")
        self._worker = Worker(sl.start, sl.step)

    def __getstate__(self) -> JsonDict:
        if self._bound:
            raise PipelineError(
                "a pipeline that is placed on devices, or sharded by JAX's processes, cannot go to the workers of "
                "mp_prefetch: use shard instead, or prefetch instead of mp_prefetch"
            )
        return self.__dict__.copy()


class PipelineDatasetIterator(grain.DatasetIterator[Element]):
    """A ``DataIterator`` for Grain. Each of the two can restore a state of the other.

    Args:
        iterator: The iterator of a worker.
        worker: The worker.
        allow: What may differ between a saved pipeline and this one.
    """

    def __init__(self, iterator: DataIterator[Element], worker: Worker, allow: Collection[str] = ()) -> None:
        super().__init__()
        self._iterator = iterator
        self._worker = worker
        self._allow = allow

    def __str__(self) -> str:
        return "resumable_data iterator"

    def __next__(self) -> Element:
        while not self._worker.delivers(self._iterator.step):
            next(self._iterator)
        return next(self._iterator)

    def get_state(self) -> State:
        """Returns the position after the last delivered element, as plain JSON values."""
        return self._iterator.get_state()

    def set_state(self, state: State) -> None:
        """Goes to a saved position, or changes nothing if that fails.

        Raises:
            StateError: The state is damaged, or of a version that this release cannot read.
            PipelineMismatchError: It belongs to another pipeline or to other data.
        """
        self._iterator.set_state(state, self._allow)

    def _get_next_index(self) -> int:
        """Returns how many elements this worker has delivered, for ``grain.experimental.get_next_index``."""
        return self._worker.count_before(self._iterator.step)

    def _set_next_index(self, index: int) -> None:
        """Goes to an element of this worker without reading, for ``grain.experimental.set_next_index``.

        Raises:
            ValueError: There is no such element, or only reading could find it.
        """
        self._iterator.seek(self._worker.index + index * self._worker.count)

    def close(self) -> None:
        """Ends the pipeline's threads. The state can still be taken."""
        super().close()
        self._iterator.close()
