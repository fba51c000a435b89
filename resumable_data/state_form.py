"""Checks the form of a state: which JSON values stand where. The form is the same for all pipelines.

After this check, other code can rely on the types of all values, and on numbers that are not too large to plan. The
planners check whether the position exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard, cast

from resumable_data.errors import StateError
from resumable_data.opaque import JsonObject

MOST = 2**53
"""The largest number of a state. All JSON readers return natural numbers up to this one exactly."""

MOST_ROW_LENGTH = 2**31
"""No row has more tokens."""

MOST_SHARDS = 2**16
"""The most logical shards of a run."""

Check = Callable[[str, object], None]
"""Raises a StateError with the place if a value does not have a form."""


def check_form(state: JsonObject) -> None:
    """Checks the parts of a state. All parts must be there.

    Raises:
        StateError: A value has the wrong form. The message says which one, and what it is.

    >>> check_form({"algorithms": {"mix": 1}, "stages": [["batch", {"size": -8}]], "shared": [0], "components": {},
    ...     "step": 0, "rows": 0, "edits": [], "delivered_digest": "", "next_digest": ""})
    Traceback (most recent call last):
    resumable_data.errors.StateError: the state is damaged: stages[0][1].size is -8, not a number from 1 to ...
    """
    for name, check in _FORMS.items():
        check(name, state[name])
    stages = cast(Sequence[object], state["stages"])
    numbers = [("shared", state["shared"])]
    numbers += [(f"components.{path}[0]", parts[0]) for path, parts in state["components"].items()]
    for place, found in numbers:
        for number in found:
            if number >= len(stages):
                raise _wrong(place, found, f"places in a table of {len(stages)} stages")


def is_natural(value: object) -> TypeGuard[int]:
    """Tells whether a value is a natural number that a state may hold.

    >>> is_natural(7), is_natural(True), is_natural(-1), is_natural(2**53 + 1)
    (True, False, False, False)
    """
    return type(value) is int and 0 <= value <= MOST


def is_weights(value: object) -> bool:
    """Tells whether a value has the form that ``WeightSchedule.to_json`` returns.

    >>> is_weights({"between": "constant", "points": [[0, {"web": 3, "code": "1/3"}]]})
    True
    >>> is_weights({"between": "constant", "points": [[0, ["web"]]]})
    False
    """
    if not isinstance(value, Mapping):
        return False
    given = cast(JsonObject, value)
    points: Any = given.get("points")
    if set(given) != {"between", "points"} or not isinstance(points, list | tuple) or not points:
        return False
    return isinstance(given["between"], str) and all(map(_is_point, cast(Sequence[object], points)))


def _is_point(value: object) -> bool:
    if not isinstance(value, list | tuple) or len(cast(Sequence[object], value)) != 2:
        return False
    boundary, weights = cast(Sequence[object], value)
    if not is_natural(boundary) or not isinstance(weights, Mapping):
        return False
    return all(type(weight) in (int, float, str) for weight in cast(JsonObject, weights).values())


def _wrong(place: str, value: object, expected: str) -> StateError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return StateError(f"the state is damaged: {place} is {shown}, not {expected}. Restore an earlier checkpoint")


def _as_list(place: str, value: object, expected: str = "a list") -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise _wrong(place, value, expected)
    return cast(Sequence[object], value)


def _natural(place: str, value: object) -> None:
    if not is_natural(value):
        raise _wrong(place, value, f"a natural number up to {MOST}")


def _positive(most: int) -> Check:
    def check(place: str, value: object) -> None:
        if not is_natural(value) or not 1 <= value <= most:
            raise _wrong(place, value, f"a number from 1 to {most}")

    return check


def _text(place: str, value: object) -> None:
    if not isinstance(value, str):
        raise _wrong(place, value, "a text")


def _digest(place: str, value: object) -> None:
    if not isinstance(value, str) or re.fullmatch("([0-9a-f]{16})?", value) is None:
        raise _wrong(place, value, "a digest of 16 hexadecimal digits, or empty")


def _digest_or_end(place: str, value: object) -> None:
    if value != "end":
        _digest(place, value)


def _bool(place: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _wrong(place, value, "true or false")


def _integer_or_text(place: str, value: object) -> None:
    if not isinstance(value, str):
        _natural(place, value)


def _list(of: Check) -> Check:
    def check(place: str, value: object) -> None:
        for i, one in enumerate(_as_list(place, value)):
            of(f"{place}[{i}]", one)

    return check


def _pair(first: Check, second: Check) -> Check:
    def check(place: str, value: object) -> None:
        found = _as_list(place, value, "a list of two")
        if len(found) != 2:
            raise _wrong(place, value, "a list of two")
        for i, of in enumerate((first, second)):
            of(f"{place}[{i}]", found[i])

    return check


def _object(of: Check) -> Check:
    def check(place: str, value: object) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(place, value, "an object")
        for key, one in cast(Mapping[object, object], value).items():
            _text(f"a key of {place}", key)
            of(f"{place}.{key}", one)

    return check


def _anything(place: str, value: object) -> None:
    """Accepts every value."""


def _sizes(place: str, value: object) -> None:
    """Checks one size, or pairs of a step and the size from there on. The first pair has step 0."""
    if isinstance(value, int):
        _positive(MOST)(place, value)
        return
    found = _as_list(place, value, "the sizes of batches")
    _list(_pair(_natural, _positive(MOST)))(place, found)
    steps = [step for step, _ in cast(Sequence[tuple[int, int]], found)]
    if not steps or steps[0] != 0 or steps != sorted(set(steps)):
        raise _wrong(place, value, "the sizes of batches")


def _weights(place: str, value: object) -> None:
    if not is_weights(value):
        raise _wrong(place, value, "the weights of a mix")


def _stage(place: str, value: object) -> None:
    """Checks a stage's name, and the form of the settings that a restore reads."""
    _pair(_text, _object(_anything))(place, value)
    name, settings = cast(tuple[str, JsonObject], value)
    for setting, check in _READ.get(name.split(" ")[0], {}).items():
        if setting in settings:
            check(f"{place}[1].{setting}", settings[setting])
        elif setting not in _OPTIONAL:
            raise _wrong(f"{place}[1]", settings, f"the settings of {name}: there is no {setting}")


_READ: Mapping[str, Mapping[str, Check]] = {
    "batch": {"size": _sizes, "drop_remainder": _bool, "shards": _positive(MOST_SHARDS)},
    "mix": {"weights": _weights, "stop": _text},
    "pack": {"length": _positive(MOST_ROW_LENGTH)},
    "pad": {"length": _positive(MOST_ROW_LENGTH)},
    "repeat": {"epochs": _positive(MOST)},
    "source": {"records": _positive(MOST)},
}
"""The settings of a saved pipeline that a restore reads, by stage."""

_OPTIONAL = ("epochs", "records", "shards")

_FORMS: Mapping[str, Check] = {
    "algorithms": _object(_natural),
    "stages": _list(_stage),
    "shared": _list(_natural),
    "components": _object(_pair(_list(_natural), _list(_integer_or_text))),
    "step": _natural,
    "rows": _natural,
    "edits": _list(_object(_anything)),
    "delivered_digest": _digest,
    "next_digest": _digest_or_end,
}
