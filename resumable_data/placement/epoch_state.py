"""The position within an epoch as JSON values, around the state of any iterator."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from resumable_data.errors import PipelineMismatchError, StateError

LENGTH = "iterator_length"


@dataclass(frozen=True)
class EpochState:
    """Where an epoch is.

    Attributes:
        step: Batches handed over.
        length: Batches an epoch, or None if it ends with the data.
        iterator: State of the iterator that gives the batches.
        ended: Whether the data has ended within the epoch.
        process: Index and number of the processes, where the iterator's state is that of one among several.
    """

    step: int
    length: int | None
    iterator: Any
    ended: bool = False
    process: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """The state as JSON values.

        Raises:
            StateError: The iterator's state is none that JSON can hold.

        >>> EpochState(3, 10, {"next": 12}).to_json()
        {'step': 3, 'iterator_length': 10, 'iterator': {'next': 12}}
        """
        state: dict[str, Any] = {"step": self.step, LENGTH: self.length, "iterator": _to_json(self.iterator)}
        if self.ended:
            state["ended"] = True
        if self.process is not None:
            state["process"] = list(self.process)
        return state

    @classmethod
    def from_json(cls, state: object) -> EpochState:
        """What ``to_json`` gave, also after a round trip through JSON.

        Raises:
            StateError: The state is damaged or incomplete.
        """
        if not isinstance(state, Mapping):
            raise StateError(f"a state is a JSON object, got {type(state).__name__}")
        given = cast(Mapping[str, Any], state)
        missing = [key for key in ("step", LENGTH, "iterator") if key not in given]
        if missing:
            raise StateError(f"the state lacks {', '.join(missing)}: it is damaged, or of something else")
        step, length, ended = given["step"], given[LENGTH], given.get("ended", False)
        whole = type(step) is int and (length is None or type(length) is int) and type(ended) is bool
        if not whole or step < 0 or (length is not None and step > length):
            raise StateError(f"the state is damaged: step={step!r}, {LENGTH}={length!r}, ended={ended!r}")
        process = given.get("process")
        return cls(step, length, _from_json(given["iterator"]), ended, None if process is None else tuple(process))

    def check(self, length: int | None, process: tuple[int, int] | None, allow: Collection[str]) -> None:
        """Raises PipelineMismatchError unless it is a state of such an epoch and of this process.

        Args:
            length: Batches an epoch here.
            process: This process, where each has a state of its own.
            allow: May contain ``"iterator_length"``.
        """
        if self.length != length and LENGTH not in allow:
            line = f"iterator_length was {self.length}, is {length}"
            raise PipelineMismatchError(f'{line}. If the change is meant, say so: allow={{"{LENGTH}"}}', (line,))
        if self.process != process:
            line = f"process was {_in_words(self.process)}, is {_in_words(process)}"
            raise PipelineMismatchError(
                f"{line}: the iterator's position is one of each process. Save the state of every process, and give "
                "it back to the same one of as many",
                (line,),
            )


def _in_words(process: tuple[int, ...] | None) -> str:
    return "the only one" if process is None else f"{process[0]} of {process[-1]}"


def _to_json(state: Any) -> Any:
    """The state of any iterator as JSON values; that of Grain's ``DataLoader`` is text in bytes."""
    if isinstance(state, bytes):
        return {"utf8": state.decode()}
    try:
        same = json.loads(json.dumps(state)) == state
    except (TypeError, ValueError):
        same = False
    if not same:
        raise StateError(f"the state of the data loader's iterator does not survive JSON: {state!r}")
    return state


def _from_json(state: Any) -> Any:
    if isinstance(state, Mapping) and list(cast(Mapping[str, Any], state)) == ["utf8"]:
        return str(cast(Mapping[str, Any], state)["utf8"]).encode()
    return cast(Any, state)
