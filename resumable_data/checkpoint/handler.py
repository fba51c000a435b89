"""The position of a data iterator as an item of an Orbax checkpoint."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.future import CommitFutureAwaitingContractedSignals, Future

from resumable_data.errors import StateError
from resumable_data.stages.iterator import DataIterator
from resumable_data.state import State

STATE_FILE = "state.json"
PIPELINE_FILE = "pipeline.json"
EDITS_FILE = "edits.json"
_FILES = (STATE_FILE, PIPELINE_FILE, EDITS_FILE)


class DataCheckpointHandler(ocp.AsyncCheckpointHandler):
    """Saves and restores a ``DataIterator``, beside the model in one ``CheckpointManager`` step.

    The position is taken before ``save`` returns; the files are written in the background. A state that is
    damaged, incomplete or of another pipeline is refused on restore, and the iterator stays where it was.
    """

    async def async_save(self, directory: epath.Path, args: DataSave) -> list[Future]:
        """Takes the position now, and returns the future of its writing."""
        return self._start_saving(directory, args)

    def save(self, directory: epath.Path, args: DataSave) -> None:
        """Saves and waits for the writing."""
        for future in self._start_saving(directory, args):
            future.result()

    def _start_saving(self, directory: epath.Path, args: DataSave) -> list[Future]:
        if args.expect_step is not None and args.expect_step != args.item.step:
            raise StateError(
                f"the data iterator is at step {args.item.step}, but step {args.expect_step} is saved: "
                "save after the step's batch was taken and before the next"
            )
        # Every process plans all rows, so that all have the same position and one of them writes it.
        texts = {
            STATE_FILE: json.dumps(args.item.get_state(), indent=1),
            PIPELINE_FILE: json.dumps(args.item.description(), indent=1),
            EDITS_FILE: json.dumps(args.item.edits, indent=1),
        }
        write = _write(directory, texts if jax.process_index() == 0 else {})
        return [CommitFutureAwaitingContractedSignals(write, name="resumable_data")]

    def restore(self, directory: epath.Path, args: DataRestore | None = None) -> DataIterator[Any]:
        """Sets the iterator to the saved position, and returns it.

        Raises:
            StateError: The item is incomplete or damaged, or no iterator was given.
            PipelineMismatchError: The position belongs to another pipeline or to other data.
        """
        if args is None:
            raise StateError("pass the iterator to restore: args=Composite(data=DataRestore(iterator))")
        args.item.set_state(read_state(directory), args.allow)
        return args.item

    def metadata(self, directory: epath.Path) -> dict[str, Any]:
        """What the saved pipeline was: its ``pipeline.json``, and the step of its position."""
        return {"step": read_state(directory)["step"], "pipeline": _read_json(directory / PIPELINE_FILE)}

    def finalize(self, directory: epath.Path) -> None:
        """Refuses to commit an item with a file missing."""
        missing = [name for name in _FILES if not (directory / name).exists()]
        if missing:
            raise StateError(
                f"the data item in {directory} lacks {', '.join(missing)}; the checkpoint is not committed"
            )


@ocp.args.register_with_handler(DataCheckpointHandler, for_save=True)
@dataclass
class DataSave(ocp.args.CheckpointArgs):
    """Arguments that save an iterator's position.

    Attributes:
        item: The iterator.
        expect_step: The step that the iterator must be at, or None not to check.
    """

    item: DataIterator[Any]
    expect_step: int | None = None


@ocp.args.register_with_handler(DataCheckpointHandler, for_restore=True)
@dataclass
class DataRestore(ocp.args.CheckpointArgs):
    """Arguments that restore an iterator's position.

    Attributes:
        item: The iterator that goes to the saved position: fresh or used, of the same pipeline.
        allow: What of the pipeline may differ from the saved one, as ``DataIterator.set_state`` takes it.
    """

    item: DataIterator[Any]
    allow: Collection[str] = ()


def read_state(directory: epath.Path) -> State:
    """The state in an item's directory.

    Raises:
        StateError: The file is missing or is no JSON object.
    """
    state = _read_json(directory / STATE_FILE)
    if not isinstance(state, dict):
        raise StateError(
            f"{directory / STATE_FILE} is damaged: it holds no JSON object. Restore an earlier checkpoint"
        )
    return cast(State, state)


def _read_json(path: epath.Path) -> Any:
    if not path.exists():
        raise StateError(
            f"{path} is missing: the checkpoint has no complete data item. Restore an earlier checkpoint"
        )
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise StateError(f"{path} is damaged: {error}. Restore an earlier checkpoint") from error


async def _write(directory: epath.Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (directory / name).write_text(text)
