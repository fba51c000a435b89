"""Finds saved states on disk: in the item of a checkpoint, or in a file. It imports nothing that a state names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from etils import epath

from resumable_data.arguments import kind_of
from resumable_data.checkpoint.files import STATE_FILE, read_json, read_state
from resumable_data.errors import PipelineError, StateError
from resumable_data.opaque import JsonObject
from resumable_data.state import State
from resumable_data.system_errors import explain


@dataclass(frozen=True)
class Saved:
    """A state on disk.

    Attributes:
        path: The file that holds it.
        state: The state, not checked.
    """

    path: epath.Path
    state: State

    @property
    def files(self) -> dict[str, int]:
        """The sizes in bytes of the state's file and of the files beside it, by name."""
        beside = [self.path] if self.path.name != STATE_FILE else sorted(self.path.parent.iterdir())
        return {path.name: path.stat().length for path in beside if not path.is_dir()}


SavedState = JsonObject | str | os.PathLike[str]
"""A state, or the path of one: of a checkpoint, of its item, or of a directory of checkpoints."""


def as_state(what: str, given: SavedState | None) -> State | None:
    """Returns a state that is given as it is or by its path; None for None.

    Args:
        what: The name of the argument, for errors.
        given: The state, or its path.

    Raises:
        PipelineError: It is neither.
        StateError: There is no state at the path.
    """
    match cast(object, given):
        case None:
            return None
        case Mapping():
            return dict(cast(JsonObject, given))
        case str() | os.PathLike():
            return open_saved(cast(str, given)).state
        case _:
            raise PipelineError(f"{what} is {kind_of(given)}: give a state, or the path of a checkpoint")


def open_saved(path: epath.PathLike, step: int | None = None, item: str | None = None) -> Saved:
    """Reads the state in a directory of checkpoints, in one checkpoint, in an item of a checkpoint, or in a file.

    Args:
        path: One of these, local or remote.
        step: The step of the checkpoint in a directory; the latest by default.
        item: The name of the item, if several items of the checkpoint hold a position.

    Raises:
        StateError: There is no such checkpoint, it has no such item or several, or a file cannot be read.
    """
    place = epath.Path(path)
    try:
        return _open(place, step, item)
    except OSError as error:
        raise StateError(f"{place} cannot be read: {explain(error)}") from error


def _open(place: epath.Path, step: int | None, item: str | None) -> Saved:
    if not place.exists():
        where = "is not a checkpoint but a pipeline" if ".py:" in place.name else "does not exist"
        raise StateError(f"{place} {where}")
    if place.suffix == ".py":
        raise StateError(f"{place} is not a checkpoint. A pipeline has a name in its file: {place}:name")
    if not place.is_dir():
        content: Any = read_json(place)
        if not isinstance(content, dict):
            raise StateError(f"{place} does not hold a state: a state is a JSON object")
        return Saved(place, cast(State, content))
    if (place / STATE_FILE).exists():
        return Saved(place / STATE_FILE, read_state(place))
    steps = dict(_steps(place))
    if steps:
        wanted = max(steps) if step is None else step
        if wanted not in steps:
            shown = ", ".join(map(str, sorted(steps)))
            raise StateError(f"{place} has no checkpoint of step {wanted}; there are {shown}")
        place = steps[wanted]
    items = {path.name: path for path in sorted(place.iterdir()) if (path / STATE_FILE).exists()}
    if item is not None and item not in items:
        raise StateError(f"{place} has no item {item!r} with a {STATE_FILE}; there are {list(items)}")
    if item is None and len(items) != 1:
        what = "holds no data item" if not items else f"holds several data items, {list(items)}: name one"
        raise StateError(f"{place} {what} (an item is a folder with a {STATE_FILE})")
    found = items[item or next(iter(items))]
    return Saved(found / STATE_FILE, read_state(found))


def _steps(place: epath.Path) -> Iterator[tuple[int, epath.Path]]:
    """Yields the checkpoints of a directory by step: Orbax calls them ``1000``, or with a prefix ``run_1000``."""
    for path in sorted(place.iterdir()):
        number = path.name.rpartition("_")[2]
        if number.isdecimal() and path.is_dir():
            yield int(number), path
