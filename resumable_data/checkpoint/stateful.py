"""The position of a data iterator as a ``StatefulCheckpointable``, for Orbax's newer API."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Collection
from typing import TYPE_CHECKING, TypeVar

from etils import epath

from resumable_data.arguments import as_integer, as_names, optional
from resumable_data.checkpoint.files import SavedIterator, check_item
from resumable_data.checkpoint.group import Group, Snapshot
from resumable_data.compat import orbax_context
from resumable_data.differences import EDITS
from resumable_data.iteration.iterator import DataIterator

if TYPE_CHECKING:
    from orbax.checkpoint import v1

ElementT = TypeVar("ElementT")


class Checkpointable:
    """An iterator with options, for ``v1.save_checkpointables`` and the other functions of that API.

    Iterators of this library can be saved and loaded without it. Use it to give options, or to save an iterator
    around one of this library. It writes the files that ``DataCheckpointHandler`` writes and reads.

    Args:
        item: The iterator.
        allow: What may differ between the saved pipeline and this one, as in ``DataIterator.set_state``.
        expect_step: The step at which the iterator must be when it is saved; None does not check.
    """

    def __init__(self, item: SavedIterator, allow: Collection[str] = (), expect_step: int | None = None) -> None:
        check_item("Checkpointable", item)
        self._item = item
        self._allow = as_names("allow", allow, EDITS)
        self._expect_step = optional(as_integer, "Checkpointable: expect_step", expect_step)

    async def save(self, directory: v1.path.PathAwaitingCreation) -> Awaitable[None]:
        """Takes the position now, and returns an awaitable that writes it."""
        context = orbax_context()
        group = Group.of(context.multiprocessing_options, context.async_options.timeout_secs)
        snapshot = group.snapshot(self._item, self._expect_step)
        if self._expect_step is None:
            _warn_of_step(directory.path.parent.name, self._item.step)
        return _save(group, directory, snapshot)

    async def load(self, directory: v1.path.Path) -> Awaitable[None]:
        """Checks the saved position now, on all processes, and returns an awaitable that goes there.

        Raises:
            StateError: The item is incomplete or damaged.
            PipelineMismatchError: The position belongs to another pipeline or to other data, or the processes
                differ in what they load.
            PeerError: Another process cannot load, or does not come.
        """
        group = Group.of(orbax_context().multiprocessing_options)
        # A thread waits, since other items load at the same time and may wait for other processes too.
        apply = await asyncio.to_thread(group.restore, epath.Path(directory), self._item, self._allow)

        async def go() -> None:
            apply()

        return go()


class CheckpointableIterator(DataIterator[ElementT]):
    """A ``DataIterator`` that Orbax's newer API can save and load.

    >>> import resumable_data as rd
    >>> from orbax.checkpoint import v1
    >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(9, [4])).pad(4, eod_id=0).batch(2))
    >>> isinstance(batches, v1.StatefulCheckpointable)
    True
    """

    async def save(self, directory: v1.path.PathAwaitingCreation) -> Awaitable[None]:
        """Takes the position now, and returns an awaitable that writes it."""
        return await Checkpointable(self).save(directory)

    async def load(self, directory: v1.path.Path) -> Awaitable[None]:
        """Checks the saved position now, on all processes, and returns an awaitable that goes there."""
        return await Checkpointable(self).load(directory)


def _warn_of_step(directory: str, step: int) -> None:
    """Warns if a checkpoint is saved under a step that is not the number of batches that the iterator delivered.

    Args:
        directory: The name of the checkpoint's directory. It is the step if Orbax's ``Checkpointer`` names it.
        step: Batches delivered.
    """
    saved = directory.partition(".")[0]  # Orbax adds a suffix until the checkpoint is complete.
    if not saved.isdecimal() or int(saved) == step:
        return
    more = step - int(saved)
    # Python shows equal warnings once, so the text must not change during a run.
    warnings.warn(
        f"the checkpoint's step is {abs(more)} {'less' if more > 0 else 'more'} than the number of batches that its "
        "data iterator delivered. If the model has seen exactly these batches, save under iterator.step, or name the "
        "expected step: Checkpointable(iterator, expect_step=…)",
        stacklevel=2,
    )


async def _save(group: Group, directory: v1.path.PathAwaitingCreation, snapshot: Snapshot) -> None:
    path = epath.Path(await directory.await_creation())
    await asyncio.to_thread(group.save, path, snapshot)
