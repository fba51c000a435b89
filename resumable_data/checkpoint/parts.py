"""States of data loaders of which each process has its own, as it may have in a ``MultiHostDataLoadIterator``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from resumable_data.errors import StateError
from resumable_data.state import State

_PROCESSES = "processes"


def is_part(state: Mapping[str, Any]) -> bool:
    """Whether other processes of the run have other parts of the position; all of them say the same of theirs."""
    return "process" in state


def join(states: Sequence[State]) -> State:
    """The parts of all processes, in the order of the processes, side by side in one state."""
    return {"step": states[0].get("step", 0), _PROCESSES: list(states)}


def part_of(state: State, process: int, count: int) -> State:
    """What process ``process`` of ``count`` restores of a joined state.

    Raises:
        StateError: Each process had a data loader of its own, and there were another number of them.
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
