"""The position of a data iterator as an item of an Orbax checkpoint, by the API of ``CheckpointManager``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint import multihost
from orbax.checkpoint.future import CommitFutureAwaitingContractedSignals, Future

from resumable_data.checkpoint.files import (
    PIPELINE_FILE,
    SavedIterator,
    Texts,
    check_complete,
    checked_restore,
    read_json,
    read_state,
    texts_of,
    write,
)
from resumable_data.errors import StateError


class DataCheckpointHandler(ocp.AsyncCheckpointHandler):
    """Saves and restores a data iterator, beside the model in one ``CheckpointManager`` step.

    The position is taken before ``save`` returns; the files are written in the background, by one process alone.
    A state that is damaged, incomplete or of another pipeline is refused on restore, on every process, and the
    iterators stay where they were.

    Args:
        primary_host: The process that writes, as in Orbax's ``MultiprocessingOptions``; None where every process
            keeps checkpoints on a disk of its own.
    """

    def __init__(self, primary_host: int | None = 0) -> None:
        self._primary_host = primary_host

    async def async_save(self, directory: epath.Path, args: DataSave) -> list[Future]:
        """Takes the position now, and returns the future of its writing."""
        return self._start_saving(directory, args)

    def save(self, directory: epath.Path, args: DataSave) -> None:
        """Saves and waits for the writing."""
        for future in self._start_saving(directory, args):
            future.result()

    def _start_saving(self, directory: epath.Path, args: DataSave) -> list[Future]:
        # Every process plans all rows, so that all have the same position and one of them writes it.
        texts = texts_of(args.item, args.expect_step)
        writes = multihost.is_primary_host(self._primary_host)
        return [CommitFutureAwaitingContractedSignals(_write(directory, texts if writes else {}), name="data")]

    def restore(self, directory: epath.Path, args: DataRestore | None = None) -> SavedIterator:
        """Sets the iterator to the saved position, and returns it.

        Raises:
            StateError: The item is incomplete or damaged, or no iterator was given.
            PipelineMismatchError: The position belongs to another pipeline or to other data, or the processes
                differ in what they restore.
        """
        if args is None:
            raise StateError("pass the iterator to restore: args=Composite(data=DataRestore(iterator))")
        checked_restore(directory, args.item, args.allow)()
        return args.item

    def metadata(self, directory: epath.Path) -> dict[str, Any]:
        """What the saved pipeline was: its ``pipeline.json``, and the step of its position."""
        return {"step": read_state(directory)["step"], "pipeline": read_json(directory / PIPELINE_FILE)}

    def finalize(self, directory: epath.Path) -> None:
        """Refuses to commit an item with a file missing."""
        check_complete(directory)


@ocp.args.register_with_handler(DataCheckpointHandler, for_save=True)
@dataclass
class DataSave(ocp.args.CheckpointArgs):
    """Arguments that save an iterator's position.

    Attributes:
        item: The iterator.
        expect_step: The step that the iterator must be at, or None not to check.
    """

    item: SavedIterator
    expect_step: int | None = None


@ocp.args.register_with_handler(DataCheckpointHandler, for_restore=True)
@dataclass
class DataRestore(ocp.args.CheckpointArgs):
    """Arguments that restore an iterator's position.

    Attributes:
        item: The iterator that goes to the saved position: fresh or used, of the same pipeline.
        allow: What of the pipeline may differ from the saved one, as ``DataIterator.set_state`` takes it.
    """

    item: SavedIterator
    allow: Collection[str] = ()


async def _write(directory: epath.Path, texts: Texts) -> None:
    write(directory, texts)
