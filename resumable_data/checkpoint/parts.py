"""States of which each process has a part: logical shards that it runs, or a data loader of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from resumable_data.errors import StateError
from resumable_data.state import FORMAT, State, merge_states, split

_PROCESSES = "processes"


def is_part(state: Mapping[str, Any]) -> bool:
    """Whether other processes of the run have other parts of the position; all of them say the same of theirs."""
    if state.get("format") == FORMAT:
        return any(len(shards) > 1 for shards in split(state)[1].at.values())
    inner = state.get("iterator")
    return "process" in state or (isinstance(inner, Mapping) and is_part(cast(Mapping[str, Any], inner)))


def join(states: Sequence[State]) -> State:
    """The parts of all processes, in the order of the processes, as one state.

    Logical shards are joined to a state for any number of processes; where each process has a data loader of its
    own, as it may have in a ``MultiHostDataLoadIterator``, their states stand side by side.

    Raises:
        StateError: A part is missing, or they are of different positions.
        PipelineMismatchError: They are of different pipelines.
    """
    if all(state.get("format") == FORMAT for state in states):
        return merge_states(states)
    if any("process" in state for state in states):
        return {"step": states[0].get("step", 0), _PROCESSES: list(states)}
    around = [{key: value for key, value in state.items() if key != "iterator"} for state in states]
    if any(other != around[0] for other in around):
        raise StateError(f"the states of the processes differ: {around}")
    return {**around[0], "iterator": merge_states([state["iterator"] for state in states])}


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
