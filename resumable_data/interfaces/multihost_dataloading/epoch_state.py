"""The position in an epoch as JSON values. It contains the state of any iterator."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from resumable_data.errors import PipelineMismatchError, StateError
from resumable_data.opaque import JsonDict, JsonObject
from resumable_data.state_form import is_natural

LENGTH = "iterator_length"


@dataclass(frozen=True)
class EpochState:
    """A position in an epoch.

    Attributes:
        step: Batches delivered in this epoch.
        length: Batches of an epoch; None if the epoch ends with the data.
        iterator: The state of the data loader's iterator.
        ended: Whether the data ended in this epoch.
        process: Index and number of the processes, if the iterator's state belongs to one of several processes.
    """

    step: int
    length: int | None
    iterator: Any
    ended: bool = False
    process: tuple[int, int] | None = None

    def to_json(self) -> JsonDict:
        """Converts the position to JSON values.

        Raises:
            StateError: JSON cannot hold the iterator's state.

        >>> EpochState(3, 10, {"next": 12}).to_json()
        {'step': 3, 'iterator_length': 10, 'iterator': {'next': 12}}
        """
        state: JsonDict = {"step": self.step, LENGTH: self.length, "iterator": _encode(self.iterator)}
        if self.ended:
            state["ended"] = True
        if self.process is not None:
            state["process"] = list(self.process)
        return state

    @classmethod
    def from_json(cls, state: object) -> EpochState:
        """Reads the values that ``to_json`` returned, also after a round trip through JSON.

        Raises:
            StateError: The state is damaged or incomplete.
        """
        if not isinstance(state, Mapping):
            raise StateError(f"a state is a JSON object, not {type(state).__name__}")
        given = cast(JsonObject, state)
        missing = [key for key in ("step", LENGTH, "iterator") if key not in given]
        if missing:
            raise StateError(
                f"the state lacks {', '.join(missing)}: it is damaged, or not a state of a MultiHostDataLoadIterator"
            )
        step, length, ended = given["step"], given[LENGTH], given.get("ended", False)
        typed = is_natural(step) and (length is None or is_natural(length)) and type(ended) is bool
        if not typed or (length is not None and step > length):
            raise StateError(f"the state is damaged: step={step!r}, {LENGTH}={length!r}, ended={ended!r}")
        return cls(step, length, _decode(given["iterator"]), ended, _process(given.get("process")))

    def check(self, length: int | None, process: tuple[int, int] | None, allow: Collection[str]) -> None:
        """Checks that the position belongs to an epoch of this length, and to this process.

        Args:
            length: Batches of an epoch here.
            process: Index and number of the processes, if each has a state of its own.
            allow: May contain ``"iterator_length"``.

        Raises:
            PipelineMismatchError: The length differs and is not allowed to, or the process differs.
        """
        if self.length != length and LENGTH not in allow:
            line = f"iterator_length was {self.length}, is {length}"
            raise PipelineMismatchError(f'{line}. If you want this change, allow it: allow={{"{LENGTH}"}}', (line,))
        if self.process != process:
            line = f"process was {_describe(self.process)}, is {_describe(process)}"
            raise PipelineMismatchError(
                f"{line}: each process has a position of its own. Save the state of every process, and restore it on "
                "the same process of the same number of processes",
                (line,),
            )


def _process(given: Any) -> tuple[int, int] | None:
    """Reads the index and the number of processes; None if the position belongs to the whole run."""
    if given is None:
        return None
    found = tuple(cast(Any, given)) if isinstance(given, list | tuple) else ()
    if len(found) != 2 or not all(map(is_natural, found)):
        raise StateError(f"the state is damaged: process={given!r}")
    return found


def _describe(process: tuple[int, ...] | None) -> str:
    return "the only one" if process is None else f"{process[0]} of {process[-1]}"


def _encode(state: Any) -> Any:
    """Converts the state of any iterator to JSON values. The state of Grain's ``DataLoader`` is text in bytes."""
    if isinstance(state, bytes):
        return {"utf8": state.decode()}
    try:
        same = json.loads(json.dumps(state)) == state
    except (TypeError, ValueError):
        same = False
    if not same:
        raise StateError(f"the state of the data loader's iterator changes in a round trip through JSON: {state!r}")
    return state


def _decode(state: Any) -> Any:
    if isinstance(state, Mapping) and list(cast(JsonObject, state)) == ["utf8"]:
        try:
            return str(cast(JsonObject, state)["utf8"]).encode()
        except UnicodeEncodeError as error:
            raise StateError(f"the state is damaged: {error}") from error
    return cast(Any, state)
