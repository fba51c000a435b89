"""Each process's batches as global arrays on a mesh, with an iterator that knows epochs and resumes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from resumable_data.edits import Edit
from resumable_data.errors import PipelineError
from resumable_data.iteration.iterator import DataIterator
from resumable_data.placement.epoch_state import LENGTH, EpochState
from resumable_data.placement.lockstep import Lockstep
from resumable_data.placement.look_ahead import LookAhead
from resumable_data.placement.padding import pad_to
from resumable_data.placement.process_rows import form_global, global_layout, processes_of

LOGGER = logging.getLogger(__name__)

__all__ = [
    "LOGGER",
    "MultiHostDataLoadIterator",
    "_build_global_shape_and_sharding",
    "_form_global_array",
    "_pad_array_to_shape",
    "get_next_batch_sharded",
]


def _build_global_shape_and_sharding(
    local_shape: tuple[int, ...], global_mesh: Mesh
) -> tuple[tuple[int, ...], NamedSharding]:
    """Shape and sharding of the global array to which every process gives an array of ``local_shape``.

    Args:
        local_shape: Shape of what this process gives.
        global_mesh: All devices. Rows are divided among all its axes together, other axes are not divided.

    Returns:
        The global shape, whose rows are those of all processes that own devices of the mesh, and the sharding.

    Raises:
        PipelineError: The rows cannot be divided among this process's devices.

    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> shape, sharding = _build_global_shape_and_sharding((2 * len(jax.devices()), 128), mesh)
    >>> shape == (2 * len(jax.devices()), 128), sharding.spec[0]
    (True, 'data')
    """
    return global_layout(local_shape, global_mesh)


def _form_global_array(path: Any, array: Any, global_mesh: Mesh) -> jax.Array:
    """The global array of which this process gives some rows: those of the first process come first, on any mesh.

    Args:
        path: Where the array stands in its pytree, for errors.
        array: [rows, ...], what this process gives.
        global_mesh: All devices.

    Raises:
        PipelineError: The array cannot be laid out on the mesh.

    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> np.asarray(_form_global_array((), np.arange(2 * len(jax.devices())), mesh))[:4].tolist()
    [0, 1, 2, 3]
    """
    try:
        return form_global(array, global_mesh)
    except PipelineError as error:
        raise PipelineError(f"{jax.tree_util.keystr(path) or 'the array'}: {error}") from error


def _pad_array_to_shape(array_and_shape: tuple[Any, Sequence[int]], pad_value: float = 0) -> np.ndarray[Any, Any]:
    """The array padded at the end of each axis.

    Args:
        array_and_shape: The array and the shape to pad it to, in one tuple, as ``zip`` gives them.
        pad_value: What it is padded with.

    Raises:
        PipelineError: The shape has other axes or is smaller, or the array's dtype cannot hold the value.

    >>> np.allclose(
    ...     _pad_array_to_shape((np.array([[1], [2]]), (3, 2)), pad_value=0),
    ...     np.array([[1, 0], [2, 0], [0, 0]]))
    True
    """
    array, shape = array_and_shape
    return pad_to(array, shape, pad_value)


def get_next_batch_sharded(
    local_iterator: Iterator[Any], global_mesh: Mesh, pad: bool = False, pad_value: float = 0
) -> Any:
    """The next batch of this process and those of the others as one batch of global arrays.

    All processes that own devices of the mesh have to call this. Where one has no further batch, it ends for all;
    what the others had taken is lost, except from a ``DataIterator``. ``MultiHostDataLoadIterator`` loses nothing.

    Args:
        local_iterator: Gives this process's batches, pytrees of arrays.
        global_mesh: Rows are divided among all its devices.
        pad: Whether to pad arrays to the largest shape of any process, and rows to a multiple of the devices.
        pad_value: What arrays are padded with.

    Raises:
        StopIteration: At least one process has no further batch.
        PipelineMismatchError: The processes differ.
        PeerError: Another process failed.
        PipelineError: The arrays cannot be laid out on the mesh.

    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> batches = iter([{"tokens": np.ones((len(jax.devices()), 16), np.int32)}])
    >>> get_next_batch_sharded(batches, mesh)["tokens"].sharding.spec[0]
    'data'
    """
    local = _look_ahead(local_iterator)
    return Lockstep(local, global_mesh, pad_value if pad else None).take(local.step or 0, None)


class MultiHostDataLoadIterator:
    """Iterates over global batches, of which each process's data loader gives some rows, in epochs.

    Process ``i`` of those that own devices of the mesh gives rows ``[i * n, (i + 1) * n)`` of a batch, whatever the
    order of the mesh's devices. They iterate together, each in the thread that starts its other work on these
    devices, for several of them exchange a few integers a batch. So they end together with the first that has no
    further batch, an error of one is an error on all, and each keeps what it did not hand over.

    An **epoch** is ``iterator_length`` batches, or what there is up to the end of the data.

    - ``iter()`` begins the next epoch where one has ended. In the middle of an epoch it changes nothing and the epoch
      goes on, unless ``reset_after_epoch`` is set: then it begins the epoch again, so that all loops over it are the
      same, also behind one that was broken off.
    - After ``set_state``, ``iter()`` goes on with the saved epoch in either case.
    - ``reset()`` begins an epoch at once: with the data from its beginning if ``reset_after_epoch`` is set, and
      otherwise with what follows.
    - An epoch that would begin behind the end of the data is an error.

    So set ``reset_after_epoch`` for evaluation, and leave it for training, where the data is endless.

    Args:
        dataloader: Anything that can be iterated over: a ``Dataset``, a ``DataIterator``, a Grain dataset, a list.
            With several processes each gives its own rows, such as those of ``Dataset.shard``.
        global_mesh: Rows are divided among all its devices.
        iterator_length: Batches an epoch; None if it ends with the data.
        dataset_size: Records in the data set, for those who ask; nothing here depends on it.
        reset_after_epoch: Whether each epoch begins with the beginning of the data. The data loader has to be
            something that can be iterated over again, or an iterator with ``get_state`` and ``set_state``.
        pad_shapes: Whether to pad arrays to the largest shape of any process, and rows to a multiple of the devices.
        pad_value: What arrays are padded with.

    Attributes:
        step_counter: Batches handed over in this epoch.
        state_set: Whether ``set_state`` was called, and no loop has begun to go on from there.

    Raises:
        PipelineError: The arguments cannot work.

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
        dataloader: Iterable[Any],
        global_mesh: Mesh,
        iterator_length: int | None = None,
        dataset_size: int | None = None,
        reset_after_epoch: bool = False,
        pad_shapes: bool = False,
        pad_value: float = 0,
    ) -> None:
        if iterator_length is not None and iterator_length < 1:
            raise PipelineError(f"iterator_length={iterator_length} must be at least 1: there is less than one batch")
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
        """Batches handed over in all, where the data loader's iterator counts them, or else in this epoch."""
        step = self._local.step
        return self.step_counter if step is None else step

    def __len__(self) -> int:
        if self.iterator_length is None:
            raise TypeError("this iterator has no length: it was given no iterator_length and ends with its data")
        return self.iterator_length

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Self:
        if self._epoch_is_over or (self.reset_after_epoch and self.step_counter and not self.state_set):
            self.reset()
        self._looping = self.state_set
        return self

    def __next__(self) -> Any:
        """The next batch, a pytree of global arrays.

        Raises:
            StopIteration: The epoch is over.
            PipelineMismatchError: The processes differ.
            PeerError: Another process failed.
            PipelineError: The arrays cannot be laid out on the mesh, or no data is left.
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
        """Begins an epoch now: with the data from its beginning if ``reset_after_epoch``, else with what follows."""
        self._goes_on = not self.reset_after_epoch and (self._goes_on or self._data_ended or self.step_counter > 0)
        if self.reset_after_epoch:
            self._rewind()
        self._begin(0, ended=False)

    def get_state(self) -> dict[str, Any]:
        """The position behind the last batch handed over, as plain JSON values.

        Returns:
            ``step`` and ``iterator_length`` of the epoch, and ``iterator``, the state of the data loader's iterator;
            ``ended`` where the data has ended within the epoch, and ``process``, its index and their number, where
            the position is one of a single process among several.

        Raises:
            StateError: The data loader's iterator has no state, or none that JSON can hold.
        """
        position = EpochState(
            self.step_counter, self.iterator_length, self._local.get_state(), self._data_ended, self._own_process
        )
        return position.to_json()

    def set_state(self, state: Mapping[str, Any], allow: Collection[str] = ()) -> None:
        """Goes to a saved position. It is applied whole, or an error leaves the iterator where it was.

        Args:
            state: What ``get_state`` gave, also after a round trip through JSON.
            allow: What may differ from the saved iterator: ``"iterator_length"``, and what the data loader's iterator
                takes, to which the rest is passed on.

        Raises:
            StateError: The state is damaged or incomplete, or the data loader's iterator has none.
            PipelineMismatchError: It belongs to another pipeline, to other data or to another process.
        """
        self.check_state(state, allow)()

    def check_state(self, state: Mapping[str, Any], allow: Collection[str] = ()) -> Callable[[], None]:
        """Checks a saved position without going there, as ``set_state`` does; returns what goes there.

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
        """What was changed about the pipeline while it ran, where the data loader's iterator records it."""
        return tuple(getattr(self._local.iterator, "edits", ()))

    def description(self) -> dict[str, Any]:
        """What decides the data, for people: what a checkpoint keeps as ``pipeline.json``."""
        inner = self._local.iterator
        return {
            LENGTH: self.iterator_length,
            "reset_after_epoch": self.reset_after_epoch,
            "iterator": inner.description() if hasattr(inner, "description") else self._local.name,
        }

    def close(self) -> None:
        """Closes the data loader's iterator, if it can be closed. The state can still be taken."""
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
        """This process, where others have other positions: a state of this library's own is one of the whole run."""
        if len(self._processes) == 1 or isinstance(self._local.iterator, DataIterator):
            return None
        return self._processes.index(jax.process_index()), len(self._processes)

    def _begin(self, step: int, ended: bool) -> None:
        """The position has changed."""
        self._lockstep.forget()
        self.step_counter, self._data_ended = step, ended
        self.state_set = self._looping = False

    def _end_data(self) -> None:
        if self._goes_on and not self.step_counter:
            raise PipelineError(
                "the data has ended, and an epoch began behind its end: set reset_after_epoch=True to begin each "
                "epoch with the beginning of the data, or repeat() the data"
            ) from None
        self._data_ended = True
        if self.iterator_length is not None:
            LOGGER.warning("the data ended after %d of %d batches", self.step_counter, self.iterator_length)

    def _open(self) -> LookAhead[Any]:
        try:
            iterator = iter(self.dataloader)
        except TypeError as error:
            raise PipelineError(f"dataloader: {type(self.dataloader).__name__} cannot be iterated over") from error
        return _look_ahead(iterator)

    @property
    def _is_own_iterator(self) -> bool:
        return self._local.iterator is self.dataloader

    def _take_beginning(self) -> Any:
        if not (self.reset_after_epoch and self._is_own_iterator):
            return None
        if not self._local.has_state:
            raise PipelineError(
                "reset_after_epoch=True needs a data loader that can go back to its beginning, but "
                f"{self._local.name} is an iterator without get_state and set_state: give what it iterates over"
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


def _look_ahead(iterator: Iterator[Any]) -> LookAhead[Any]:
    return LookAhead(iterator, iterator.peek if isinstance(iterator, DataIterator) else None)
