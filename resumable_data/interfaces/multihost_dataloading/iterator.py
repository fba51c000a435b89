"""An iterator over global batches of several processes, in epochs that resume exactly."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from types import TracebackType
from typing import Self

import jax
from jax.sharding import Mesh

from resumable_data.edits import Edit
from resumable_data.errors import PipelineError
from resumable_data.interfaces.multihost_dataloading.epoch_state import LENGTH, EpochState
from resumable_data.interfaces.multihost_dataloading.global_arrays import processes_of
from resumable_data.interfaces.multihost_dataloading.lockstep import Lockstep
from resumable_data.interfaces.multihost_dataloading.peekable import Peekable, as_peekable
from resumable_data.iteration.iterator import DataIterator
from resumable_data.opaque import Element, JsonDict, JsonObject

LOGGER = logging.getLogger("resumable_data.multihost_dataloading")


class MultiHostDataLoadIterator:
    """An iterator over global batches, in epochs. The data loader of each process gives some rows of each batch.

    The processes that own devices of the mesh take part. Process ``i`` of them gives rows ``[i * n, (i + 1) * n)`` of
    a batch, whatever the order of the mesh's devices. The processes iterate together. For each batch they exchange a
    few integers on the devices, so each process must iterate in the thread that starts its other work on these
    devices. All processes end when the first of them has no further batch. An error on one process is an error on
    all. Each process keeps the batches that were not delivered.

    An **epoch** is ``iterator_length`` batches, or fewer if the data ends before.

    - ``iter()`` after the end of an epoch begins the next one. In the middle of an epoch it changes nothing, and the
      epoch goes on. If ``reset_after_epoch`` is set, it begins the epoch again instead. So all loops deliver the same
      batches, also after a loop that was left early.
    - After ``set_state``, ``iter()`` goes on with the saved epoch in both cases.
    - ``reset()`` begins an epoch at once: at the beginning of the data if ``reset_after_epoch`` is set, otherwise at
      the next batch.
    - An epoch that would begin after the end of the data is an error.

    Set ``reset_after_epoch`` for evaluation. Do not set it for training, where the data is endless.

    Args:
        dataloader: Any iterable: a ``Dataset``, a ``DataIterator``, a Grain dataset, a list. Each process gives its
            own rows, such as those of ``BatchDataset.shard``. An iterator of another library whose state is the
            position of the whole run, on any number of processes, has ``position_is_global = True``.
        global_mesh: Rows are divided among all its devices.
        iterator_length: Batches of an epoch; None if the epoch ends with the data.
        dataset_size: Records in the data set. It is only kept for the caller; the iterator does not use it.
        reset_after_epoch: Whether each epoch begins at the beginning of the data. Then the data loader must be an
            iterable that can be iterated again, or an iterator with ``get_state`` and ``set_state``.
        pad_shapes: Whether to pad arrays to the largest shape of any process, and rows to a multiple of the devices.
        pad_value: The value of the padding.

    Attributes:
        step_counter: Batches delivered in this epoch.
        state_set: Whether ``set_state`` was called, and no loop has gone on from there yet.

    Raises:
        PipelineError: The arguments cannot work.

    >>> import numpy as np
    >>> import resumable_data as rd
    >>> data = rd.Dataset.from_source(rd.SyntheticSource(100, [5])).repeat().pad(8, eod_id=0).batch(16)
    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> batches = MultiHostDataLoadIterator(data, mesh, iterator_length=3)
    >>> len(batches), [batch.inputs.shape for batch in batches]
    (3, [(16, 8), (16, 8), (16, 8)])
    >>> batches.step_counter, batches.step, batches.get_state()["step"]
    (3, 3, 3)
    """

    def __init__(
        self,
        dataloader: Iterable[Element],
        global_mesh: Mesh,
        iterator_length: int | None = None,
        dataset_size: int | None = None,
        reset_after_epoch: bool = False,
        pad_shapes: bool = False,
        pad_value: float = 0,
    ) -> None:
        if iterator_length is not None and iterator_length < 1:
            raise PipelineError(f"iterator_length={iterator_length} must be at least 1: the data fills no batch")
        self.dataloader = dataloader
        self.global_mesh = global_mesh
        self.iterator_length = iterator_length
        self.dataset_size = dataset_size
        self.reset_after_epoch = reset_after_epoch
        self.pad_shapes = pad_shapes
        self.pad_value = pad_value
        self.step_counter = 0
        self.state_set = False
        self._processes = processes_of(global_mesh)
        self._looping = False
        self._data_ended = False
        self._goes_on = False
        self._closed = False
        self._local = self._open()
        self._beginning = self._take_beginning()
        self._lockstep = self._new_lockstep()

    @property
    def step(self) -> int:
        """All batches delivered, if the data loader's iterator counts them; otherwise the batches of this epoch."""
        step = self._local.step
        return self.step_counter if step is None else step

    def __len__(self) -> int:
        if self.iterator_length is None:
            raise TypeError("this iterator has no length: it has no iterator_length and ends with its data")
        return self.iterator_length

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Self:
        if self._epoch_is_over or (self.reset_after_epoch and self.step_counter and not self.state_set):
            self.reset()
        self._looping = self.state_set
        return self

    def __next__(self) -> Element:
        """Returns the next batch, a pytree of global arrays.

        Raises:
            StopIteration: The epoch is over.
            PipelineMismatchError: The processes differ.
            PeerError: Another process failed.
            PipelineError: The arrays cannot be laid out on the mesh, or the epoch began after the end of the data.
            ValueError: The iterator is closed.
        """
        if self._closed:
            raise ValueError("this iterator is closed")
        if self._epoch_is_over:
            raise StopIteration
        try:
            batch = self._lockstep.take(self.step_counter, self.iterator_length)
        except StopIteration:
            self._end_data()
            raise
        self.step_counter += 1
        self.state_set = self.state_set and not self._looping
        if not self._epoch_is_over:
            self._lockstep.announce(self.step_counter, self.iterator_length)
        return batch

    def reset(self) -> None:
        """Begins an epoch now: at the beginning of the data if ``reset_after_epoch``, otherwise at the next batch."""
        self._goes_on = not self.reset_after_epoch and (self._goes_on or self._data_ended or self.step_counter > 0)
        if self.reset_after_epoch:
            self._rewind()
        self._begin(0, ended=False)

    def get_state(self) -> JsonDict:
        """Returns the position after the last delivered batch, as plain JSON values.

        Returns:
            ``step`` and ``iterator_length`` of the epoch, and ``iterator``, the state of the data loader's iterator.
            Also ``ended``, if the data ended in this epoch, and ``process``, the index and number of the processes,
            if the position belongs to one of several processes.

        Raises:
            StateError: The data loader's iterator has no state, or JSON cannot hold it.
        """
        position = EpochState(
            self.step_counter, self.iterator_length, self._local.get_state(), self._data_ended, self._own_process
        )
        return position.to_json()

    def set_state(self, state: JsonObject, allow: Collection[str] = ()) -> None:
        """Goes to a saved position. After an error the iterator has not moved.

        Args:
            state: The result of ``get_state``, also after a round trip through JSON.
            allow: What may differ from the saved iterator: ``"iterator_length"``, and what the data loader's iterator
                allows, which gets the other names.

        Raises:
            StateError: The state is damaged or incomplete, or the data loader's iterator has no state.
            PipelineMismatchError: The state belongs to another pipeline, to other data or to another process.
        """
        self.check_state(state, allow)()

    def check_state(self, state: JsonObject, allow: Collection[str] = ()) -> Callable[[], None]:
        """Checks a saved position as ``set_state`` does, and returns a function that goes there.

        Raises:
            StateError: As ``set_state``.
            PipelineMismatchError: As ``set_state``.
        """
        position = EpochState.from_json(state)
        position.check(self.iterator_length, self._own_process, allow)
        move = self._local.check_state(position.iterator, [name for name in allow if name != LENGTH])

        def go() -> None:
            move()
            self._begin(position.step, position.ended)
            self.state_set, self._goes_on = True, False

        return go

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits of the pipeline while it ran, if the data loader's iterator records them."""
        return tuple(getattr(self._local.iterator, "edits", ()))

    def description(self) -> JsonDict:
        """Returns the settings that decide the data, for people. A checkpoint keeps them as ``pipeline.json``."""
        inner = self._local.iterator
        return {
            LENGTH: self.iterator_length,
            "reset_after_epoch": self.reset_after_epoch,
            "iterator": inner.description() if hasattr(inner, "description") else self._local.name,
        }

    def close(self) -> None:
        """Closes the data loader's iterator, if it has ``close``. ``get_state`` still works."""
        self._lockstep.forget()
        self._local.close()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _epoch_is_over(self) -> bool:
        return self._data_ended or (self.iterator_length is not None and self.step_counter >= self.iterator_length)

    @property
    def _own_process(self) -> tuple[int, int] | None:
        """The index and the number of the processes; None if the state is the position of the whole run.

        It is for a ``DataIterator``, and for an iterator with ``position_is_global``.
        """
        iterator = self._local.iterator
        whole = isinstance(iterator, DataIterator) or getattr(iterator, "position_is_global", False)
        if len(self._processes) == 1 or whole:
            return None
        return self._processes.index(jax.process_index()), len(self._processes)

    def _begin(self, step: int, ended: bool) -> None:
        """Sets the position in the epoch."""
        self._lockstep.forget()
        self.step_counter, self._data_ended = step, ended
        self.state_set = self._looping = False

    def _end_data(self) -> None:
        if self._goes_on and not self.step_counter:
            raise PipelineError(
                "the data has ended, and an epoch began after its end: set reset_after_epoch=True to begin each "
                "epoch at the beginning of the data, or repeat() the data"
            ) from None
        self._data_ended = True
        if self.iterator_length is not None:
            LOGGER.warning("the data ended after %d of %d batches", self.step_counter, self.iterator_length)

    def _open(self) -> Peekable[Element]:
        try:
            iterator = iter(self.dataloader)
        except TypeError as error:
            raise PipelineError(f"dataloader: {type(self.dataloader).__name__} cannot be iterated over") from error
        return as_peekable(iterator)

    @property
    def _is_own_iterator(self) -> bool:
        return self._local.iterator is self.dataloader

    def _take_beginning(self) -> Element:
        if not (self.reset_after_epoch and self._is_own_iterator):
            return None
        if not self._local.has_state:
            raise PipelineError(
                "reset_after_epoch=True needs a data loader that can go back to its beginning, but "
                f"{self._local.name} is an iterator without get_state and set_state: give the iterable instead of "
                "its iterator"
            )
        return self._local.get_state()

    def _rewind(self) -> None:
        if self._is_own_iterator:
            self._local.check_state(self._beginning)()
            return
        self._local.close()
        self._local = self._open()
        self._lockstep = self._new_lockstep()

    def _new_lockstep(self) -> Lockstep:
        return Lockstep(self._local, self.global_mesh, self.pad_value if self.pad_shapes else None)
