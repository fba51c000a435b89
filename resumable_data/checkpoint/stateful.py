"""The position of a data iterator as a ``StatefulCheckpointable``, by Orbax's newer API."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import TYPE_CHECKING, TypeVar

from etils import epath
from orbax.checkpoint import multihost

from resumable_data.checkpoint.files import SavedIterator, Texts, check_complete, checked_restore, texts_of, write
from resumable_data.stages.iterator import DataIterator

if TYPE_CHECKING:
    from orbax.checkpoint import v1

ElementT = TypeVar("ElementT")


class Checkpointable:
    """An iterator with options, as an item of ``v1.save_checkpointables`` and its relatives.

    Iterators of this library can be saved and loaded as they are; this is for what an argument has to say, and for
    other iterators around them. The files are those of the ``DataCheckpointHandler``, which can read them.

    Args:
        item: The iterator.
        allow: What of the pipeline may differ on loading, as ``DataIterator.set_state`` takes it.
        expect_step: The step that the iterator must be at on saving, or None not to check.
    """

    def __init__(self, item: SavedIterator, allow: Collection[str] = (), expect_step: int | None = None) -> None:
        self._item = item
        self._allow = allow
        self._expect_step = expect_step

    async def save(self, directory: v1.path.PathAwaitingCreation) -> Awaitable[None]:
        """Takes the position now; what is returned writes it."""
        texts = texts_of(self._item, self._expect_step)
        return _write(directory, texts if multihost.is_primary_host(0) else {})

    async def load(self, directory: v1.path.Path) -> Awaitable[None]:
        """Checks the saved position now, on all processes; what is returned goes there.

        Raises:
            StateError: The item is incomplete or damaged.
            PipelineMismatchError: The position belongs to another pipeline or to other data, or the processes
                differ in what they load.
        """
        apply = checked_restore(epath.Path(directory), self._item, self._allow)

        async def go() -> None:
            apply()

        return go()


class CheckpointableIterator(DataIterator[ElementT]):
    """A ``DataIterator`` that Orbax's newer API saves and loads as it is.

    >>> import resumable_data as rd
    >>> from orbax.checkpoint import v1
    >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(9, [4])).pad(4, eod_id=0).batch(2))
    >>> isinstance(batches, v1.StatefulCheckpointable)
    True
    """

    async def save(self, directory: v1.path.PathAwaitingCreation) -> Awaitable[None]:
        """Takes the position now; what is returned writes it."""
        return await Checkpointable(self).save(directory)

    async def load(self, directory: v1.path.Path) -> Awaitable[None]:
        """Checks the saved position now, on all processes; what is returned goes there."""
        return await Checkpointable(self).load(directory)


async def _write(directory: v1.path.PathAwaitingCreation, texts: Texts) -> None:
    path = epath.Path(await directory.await_creation())
    write(path, texts)
    if texts:
        check_complete(path)
