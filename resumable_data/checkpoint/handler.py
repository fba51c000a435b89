"""The position of a data iterator as an item of an Orbax checkpoint, for Orbax's ``CheckpointManager``."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

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
from resumable_data.opaque import JsonDict
from resumable_data.processes.agreement import TIMEOUT_SECONDS

_LOG = logging.getLogger(__name__)


class DataCheckpointHandler(ocp.AsyncCheckpointHandler):
    """A handler that saves and restores a data iterator, beside the model in one ``CheckpointManager`` step.

    The position is taken before ``save`` returns. One process writes the files, in the background. The step is
    committed only if all processes save the same position. A restore refuses a state that is damaged, incomplete or
    of another pipeline. It does so on every process, and the iterators do not move.

    Orbax makes a handler itself if the manager has Orbax's default ``MultiprocessingOptions``. Otherwise register a
    handler with the manager's options.

    Args:
        multiprocessing_options: Which processes take part, and which of them writes; the options of the manager.
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
        """Takes the position now, and returns a future that ends when the files are written."""
        return self._start_saving(directory, args)

    def save(self, directory: epath.Path, args: DataSave) -> None:
        """Saves the position, and waits until the files are written."""
        for future in self._start_saving(directory, args):
            future.result()

    def _start_saving(self, directory: epath.Path, args: DataSave) -> list[Future]:
        group = self._group()
        snapshot = group.snapshot(args.item, args.expect_step)
        return [CommitFutureAwaitingContractedSignals(_save(group, directory, snapshot), name="data")]

    def restore(self, directory: epath.Path, args: DataRestore | None = None) -> SavedIterator | JsonDict:
        """Moves the iterator to the saved position, and returns it. Without an iterator, returns the metadata.

        Raises:
            StateError: The item is incomplete or damaged.
            PipelineMismatchError: The position belongs to another pipeline or to other data, or the processes
                differ in what they restore.
            PeerError: Another process cannot restore, or does not come.
        """
        if args is None or args.item is None:
            _LOG.warning(
                "%s was only described, not restored: pass the iterator, args=Composite(data=DataRestore(iterator))",
                directory,
            )
            return self.metadata(directory)
        self._group().restore(directory, args.item, args.allow)()
        return args.item

    def metadata(self, directory: epath.Path) -> JsonDict:
        """Reads the description of the saved pipeline, its ``pipeline.json``, and the step of its position."""
        return {"step": read_state(directory)["step"], "pipeline": read_json(directory / PIPELINE_FILE)}

    def finalize(self, directory: epath.Path) -> None:
        """Refuses to commit an item if a file is missing."""
        check_complete(directory)

    def _group(self) -> Group:
        return Group.of(self._options, self._timeout_seconds)


@ocp.args.register_with_handler(DataCheckpointHandler, for_save=True)
@dataclass
class DataSave(ocp.args.CheckpointArgs):
    """Arguments that save an iterator's position.

    Attributes:
        item: The iterator.
        expect_step: The step at which the iterator must be; None does not check.
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
        item: The iterator that moves to the saved position: fresh or used, of the same pipeline. None, as in
            ``manager.restore(step)``, moves nothing; the restore returns the description of the saved pipeline.
        allow: What may differ between the saved pipeline and this one, as in ``DataIterator.set_state``.
    """

    item: SavedIterator | None = None
    allow: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.item is not None:
            check_item("DataRestore", self.item)
        self.allow = as_names("allow", self.allow, EDITS)


async def _save(group: Group, directory: epath.Path, snapshot: Snapshot) -> None:
    group.save(directory, snapshot)
