"""The position of a data iterator as an item of an Orbax checkpoint, by the API of ``CheckpointManager``."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.future import CommitFutureAwaitingContractedSignals, Future

from resumable_data.arguments import as_integer, as_names, optional
from resumable_data.checkpoint.files import (
    PIPELINE_FILE,
    SavedIterator,
    check_complete,
    check_item,
    read_json,
    read_state,
)
from resumable_data.checkpoint.group import Group, Snapshot
from resumable_data.differences import EDITS
from resumable_data.processes.agreement import TIMEOUT_SECONDS

_LOG = logging.getLogger(__name__)


class DataCheckpointHandler(ocp.AsyncCheckpointHandler):
    """Saves and restores a data iterator, beside the model in one ``CheckpointManager`` step.

    The position is taken before ``save`` returns; the files are written in the background, by one process alone, and
    the step is committed only if all processes save the same position. A state that is damaged, incomplete or of
    another pipeline is refused on restore, on every process, and the iterators stay where they were.

    Orbax makes one itself where the manager has Orbax's default ``MultiprocessingOptions``; otherwise register one
    with the same options.

    Args:
        multiprocessing_options: Which processes take part, and which writes; as the manager's.
        timeout_seconds: How long processes wait for each other.
    """

    def __init__(
        self,
        multiprocessing_options: ocp.options.MultiprocessingOptions | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._options = multiprocessing_options or ocp.options.MultiprocessingOptions()
        self._timeout_seconds = timeout_seconds

    async def async_save(self, directory: epath.Path, args: DataSave) -> list[Future]:
        """Takes the position now, and returns the future of its writing."""
        return self._start_saving(directory, args)

    def save(self, directory: epath.Path, args: DataSave) -> None:
        """Saves and waits for the writing."""
        for future in self._start_saving(directory, args):
            future.result()

    def _start_saving(self, directory: epath.Path, args: DataSave) -> list[Future]:
        group = self._group()
        snapshot = group.snapshot(args.item, args.expect_step)
        return [CommitFutureAwaitingContractedSignals(_save(group, directory, snapshot), name="data")]

    def restore(self, directory: epath.Path, args: DataRestore | None = None) -> SavedIterator | dict[str, Any]:
        """Sets the iterator to the saved position, and returns it; without an iterator, returns the metadata.

        Raises:
            StateError: The item is incomplete or damaged.
            PipelineMismatchError: The position belongs to another pipeline or to other data, or the processes
                differ in what they restore.
            PeerError: Another process cannot restore, or does not.
        """
        if args is None or args.item is None:
            _LOG.warning(
                "%s is described, not restored: pass the iterator, as in args=Composite(data=DataRestore(iterator))",
                directory,
            )
            return self.metadata(directory)
        self._group().restore(directory, args.item, args.allow)()
        return args.item

    def metadata(self, directory: epath.Path) -> dict[str, Any]:
        """What the saved pipeline was: its ``pipeline.json``, and the step of its position."""
        return {"step": read_state(directory)["step"], "pipeline": read_json(directory / PIPELINE_FILE)}

    def finalize(self, directory: epath.Path) -> None:
        """Refuses to commit an item with a file missing."""
        check_complete(directory)

    def _group(self) -> Group:
        return Group.of(self._options, self._timeout_seconds)


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

    def __post_init__(self) -> None:
        check_item("DataSave", self.item)
        self.expect_step = optional(as_integer, "DataSave: expect_step", self.expect_step)


@ocp.args.register_with_handler(DataCheckpointHandler, for_restore=True)
@dataclass
class DataRestore(ocp.args.CheckpointArgs):
    """Arguments that restore an iterator's position.

    Attributes:
        item: The iterator that goes to the saved position: fresh or used, of the same pipeline. Without one, as in
            ``manager.restore(step)``, nothing moves, and what was saved is described.
        allow: What of the pipeline may differ from the saved one, as ``DataIterator.set_state`` takes it.
    """

    item: SavedIterator | None = None
    allow: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.item is not None:
            check_item("DataRestore", self.item)
        self.allow = as_names("allow", self.allow, EDITS)


async def _save(group: Group, directory: epath.Path, snapshot: Snapshot) -> None:
    group.save(directory, snapshot)
