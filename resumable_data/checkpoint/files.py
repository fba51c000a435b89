"""The files of a saved position: their content, writing and reading."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

from etils import epath

from resumable_data.arguments import kind_of
from resumable_data.edits import Edit, edits_to_json
from resumable_data.errors import PipelineError, StateError
from resumable_data.opaque import JsonDict
from resumable_data.reading.bad_records import LeftOut
from resumable_data.state import State
from resumable_data.system_errors import explain

STATE_FILE = "state.json"
PIPELINE_FILE = "pipeline.json"
EDITS_FILE = "edits.json"
FILES = (STATE_FILE, PIPELINE_FILE, EDITS_FILE)
BAD_RECORDS_FILE = "bad_records.json"
"""The bad records that were left out. It is for people, is written only if there are any, and is not part of the
position."""

Texts = Mapping[str, str]


class SavedIterator(Protocol):
    """An iterator that can be saved: a ``DataIterator``, or an iterator around one."""

    @property
    def step(self) -> int:
        """Batches delivered."""
        ...

    @property
    def edits(self) -> Sequence[Edit]:
        """The changes of the pipeline during the run."""
        ...

    def description(self) -> JsonDict:
        """Returns the settings and fingerprints that decide the pipeline's data."""
        ...

    def get_state(self) -> State:
        """Returns the position, as JSON values."""
        ...

    def set_state(self, state: State, allow: Collection[str] = ()) -> None:
        """Goes to a position. If this fails, the iterator has not moved."""
        ...


@runtime_checkable
class Checking(Protocol):
    """An iterator that can check a state without moving."""

    def check_state(self, state: State, allow: Collection[str] = ()) -> Callable[[], None]:
        """Raises if the state is wrong; otherwise returns a function that goes to its position."""
        ...


@runtime_checkable
class LeavingOut(Protocol):
    """An iterator that leaves out bad records."""

    @property
    def bad_records(self) -> Sequence[LeftOut]:
        """The bad records that were left out so far."""
        ...


def check_item(what: str, item: object) -> None:
    """Raises PipelineError if an item is not an iterator of this library. The message begins with ``what``."""
    if not all(hasattr(item, name) for name in ("get_state", "set_state", "description", "edits", "step")):
        raise PipelineError(
            f"{what} takes the iterator that the training loop reads, not {kind_of(item)}: make it once with "
            "iter(data), and pass it here"
        )


def texts_of(item: SavedIterator, state: State, expect_step: int | None = None) -> Texts:
    """Makes the texts of the files of an iterator's current position, by file name.

    Args:
        item: The iterator.
        state: The state of its current position.
        expect_step: The step at which it must be; None does not check.

    Raises:
        StateError: The iterator is not at the expected step.
    """
    if expect_step is not None and expect_step != item.step:
        raise StateError(
            f"the data iterator is at step {item.step}, but step {expect_step} is saved: "
            "save after the loop takes the step's batch, and before it takes the next"
        )
    edits = edits_to_json(item.edits)
    contents: JsonDict = {STATE_FILE: state, PIPELINE_FILE: item.description(), EDITS_FILE: edits}
    if isinstance(item, LeavingOut) and item.bad_records:
        contents[BAD_RECORDS_FILE] = [left_out.to_json() for left_out in item.bad_records]
    return {name: to_text(content) for name, content in contents.items()}


def to_text(content: Any) -> str:
    """Formats the content of a file."""
    return json.dumps(content, indent=1)


def write(directory: epath.Path, texts: Texts) -> None:
    """Writes the files, the state last: if the state is there, the others are too.

    Raises:
        StateError: A file cannot be written, since the disk is full or for another reason.
    """
    for name in (BAD_RECORDS_FILE, *reversed(FILES)):
        if name in FILES or name in texts:
            _write_file(directory / name, texts[name])


def write_part(directory: epath.Path, process: int, texts: Texts) -> None:
    """Writes the state of one process, a part of the whole state.

    Raises:
        StateError: The file cannot be written.
    """
    _write_file(_part(directory, process), texts[STATE_FILE])


def read_part(directory: epath.Path, process: int) -> State:
    """Reads what ``write_part`` wrote on a process."""
    return _read_object(_part(directory, process))


def remove_parts(directory: epath.Path, processes: Sequence[int]) -> None:
    """Removes the parts of the processes after they were joined."""
    for process in processes:
        _part(directory, process).unlink()


def _part(directory: epath.Path, process: int) -> epath.Path:
    return directory / f"state.{process}.json"


def _write_file(path: epath.Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise StateError(
            f"{path} cannot be written: {explain(error)}. The checkpoint is not committed, and the one before it "
            "stays the latest"
        ) from error


def label_of(directory: epath.Path) -> str:
    """Returns the name of an item's directory that all processes share, wherever their disks are: ``"1000/data"``.

    >>> label_of(epath.Path("/disk0/run/1000.orbax-checkpoint-tmp/data.orbax-checkpoint-tmp"))
    '1000/data'
    """
    return "/".join(part.partition(".orbax-checkpoint-tmp")[0] for part in directory.parts[-2:])


def check_complete(directory: epath.Path) -> None:
    """Raises StateError unless every file is there."""
    missing = [name for name in FILES if not _exists(directory / name)]
    if missing:
        raise StateError(f"the data item in {directory} lacks {', '.join(missing)}; the checkpoint is not committed")


def read_state(directory: epath.Path) -> State:
    """Reads the state in an item's directory.

    Raises:
        StateError: The file is missing or damaged.
    """
    return _read_object(directory / STATE_FILE)


def _read_object(path: epath.Path) -> State:
    state = read_json(path)
    if not isinstance(state, dict):
        raise StateError(f"{path} is damaged: it is not a JSON object. Restore an earlier checkpoint")
    return cast(State, state)


def read_json(path: epath.Path) -> Any:
    """Reads the content of a file.

    Raises:
        StateError: It is missing, unreadable or damaged.
    """
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StateError(
            f"{path} is missing: the checkpoint has no complete data item. Restore an earlier checkpoint"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    except (RecursionError, ValueError) as error:
        raise StateError(f"{path} is damaged: {error}. Restore an earlier checkpoint") from error


def _exists(path: epath.Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: epath.Path, error: OSError) -> StateError:
    return StateError(f"{path} cannot be read: {explain(error)}. The checkpoint may be sound")
