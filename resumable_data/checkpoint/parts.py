"""States of data loaders if each process has its own loader, as in a ``MultiHostDataLoadIterator``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from resumable_data.errors import StateError
from resumable_data.opaque import JsonObject
from resumable_data.state import State

_PROCESSES = "processes"


def is_part(state: JsonObject) -> bool:
    """Says whether the state is a part of the position. It is the same answer on all processes of the run."""
    return "process" in state


def join(states: Sequence[State]) -> State:
    """Joins the parts of all processes, in the order of the processes, in one state."""
    return {"step": states[0].get("step", 0), _PROCESSES: list(states)}


def part_of(state: State, process: int, count: int) -> State:
    """Returns the part of a joined state that process ``process`` of ``count`` restores.

    Raises:
        StateError: Each process had a data loader of its own, and the number of processes was another.
    """
    if _PROCESSES not in state:
        return state
    states = cast(list[State], state[_PROCESSES])
    if len(states) != count:
        raise StateError(
            f"the state was saved by {len(states)} processes, each with a data loader of its own, and cannot be "
            f"restored by {count}. Restore it on as many processes"
        )
    return states[process]
