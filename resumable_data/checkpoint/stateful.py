"""The position of a data iterator as a ``StatefulCheckpointable``, by Orbax's newer API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from typing import TYPE_CHECKING, TypeVar

from etils import epath

# Orbax offers no public name for the context in force, whose options say who writes.
from orbax.checkpoint.experimental.v1._src.context.context import get_context

from resumable_data.checkpoint.files import SavedIterator
from resumable_data.checkpoint.group import Group, Snapshot
from resumable_data.iteration.iterator import DataIterator

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
        context = get_context()
        group = Group.of(context.multiprocessing_options, context.async_options.timeout_secs)
        snapshot = group.snapshot(self._item, self._expect_step)
        return _save(group, directory, snapshot)

    async def load(self, directory: v1.path.Path) -> Awaitable[None]:
        """Checks the saved position now, on all processes; what is returned goes there.

        Raises:
            StateError: The item is incomplete or damaged.
            PipelineMismatchError: The position belongs to another pipeline or to other data, or the processes
                differ in what they load.
            PeerError: Another process cannot load, or does not.
        """
        group = Group.of(get_context().multiprocessing_options)
        # Other items load meanwhile, which may have to wait for the other processes too.
        apply = await asyncio.to_thread(group.restore, epath.Path(directory), self._item, self._allow)

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


async def _save(group: Group, directory: v1.path.PathAwaitingCreation, snapshot: Snapshot) -> None:
    path = epath.Path(await directory.await_creation())
    await asyncio.to_thread(group.save, path, snapshot)
