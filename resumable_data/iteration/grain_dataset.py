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
        bound: Whether its batches lie on devices, or come together with those of other processes.
        struct: Gives shapes and dtypes of the first element.
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
        """What ``grain.experimental.get_element_spec`` asks for."""
        return self._struct()

    def set_slice(self, sl: slice, sequential_slice: bool = False) -> None:
        """Makes this dataset that of one worker: Grain calls it in each worker of ``mp_prefetch``, on a copy.

        Args:
            sl: Which elements the worker delivers: of ``n`` workers number ``i`` has ``slice(i, None, n)``.
            sequential_slice: Whether workers shall have stretches of the data instead, which is refused.

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
    """A ``DataIterator`` as Grain drives it; states are the same, and go from either to the other.

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
        """The position after the last element handed over, as plain JSON values."""
        return self._iterator.get_state()

    def set_state(self, state: State) -> None:
        """Goes to a saved position, whole or not at all.

        Raises:
            StateError: The state is damaged, or of a version that this release cannot read.
            PipelineMismatchError: It belongs to another pipeline or to other data.
        """
        self._iterator.set_state(state, self._allow)

    def _get_next_index(self) -> int:
        """What ``grain.experimental.get_next_index`` asks for: how many elements this worker has delivered."""
        return self._worker.count_before(self._iterator.step)

    def _set_next_index(self, index: int) -> None:
        """What ``grain.experimental.set_next_index`` asks for; nothing is read.

        Raises:
            ValueError: There is no such element, or it could be found by reading alone.
        """
        self._iterator.seek(self._worker.index + index * self._worker.count)

    def close(self) -> None:
        """Ends the pipeline's threads. The state can still be taken."""
        super().close()
        self._iterator.close()
