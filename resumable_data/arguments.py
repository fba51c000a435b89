"""Checks arguments of users: each becomes what a stage works with, or an error says what to pass instead."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Collection, Iterable
from numbers import Real
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from resumable_data.errors import PipelineError

MOST = 2**48
"""Limit of counts of records, tokens or steps, so that their sums fit int64."""

_LONGEST_SHOWN = 80

GivenT = TypeVar("GivenT")


def shown(value: object) -> str:
    """Returns an argument as an error shows it: its value, cut if it is long.

    >>> shown("8"), len(shown([0] * 1000))
    ("'8'", 80)
    """
    text = " ".join(repr(value).splitlines())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def kind_of(value: object) -> str:
    """Returns what an error calls the type of an argument.

    >>> kind_of(1.5), kind_of([1]), kind_of(None), kind_of(int)
    ('a float', 'a list', 'None', 'the class int')
    """
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def is_bool(value: object) -> bool:
    """Returns whether an argument is True or False, which Python treats as the integers 1 and 0."""
    return isinstance(value, bool | np.bool_)


def optional(check: Callable[[str, Any], GivenT], what: str, value: object) -> GivenT | None:
    """Applies a check to an argument that may be None: None stays None.

    >>> optional(as_integer, "shuffle: block", None), optional(as_integer, "shuffle: block", np.int64(3))
    (None, 3)
    """
    return None if value is None else check(what, value)


def as_integer(what: str, value: object, *, most: int | None = MOST) -> int:
    """Returns an integer of any kind as a Python integer; refuses True and False.

    Args:
        what: What an error calls it, as ``"pack: length"``.
        value: What was given.
        most: Its largest value; None for a seed, which is any integer.

    Raises:
        PipelineError: It is not an integer, or too large to count anything.

    >>> as_integer("pack: length", np.int32(8))
    8
    >>> as_integer("pack: length", 8.0)
    Traceback (most recent call last):
      ...
    resumable_data.errors.PipelineError: pack: length=8.0 must be an integer, not a float
    """
    if not is_bool(value):
        try:
            integer = operator.index(cast(Any, value))
        except TypeError:
            pass
        else:
            if most is not None and integer > most:
                raise PipelineError(f"{what}={shown(integer)} must be at most {most}")
            return integer
    raise PipelineError(f"{what}={shown(value)} must be an integer, not {kind_of(value)}")


def as_integers(what: str, value: object) -> npt.NDArray[np.int64]:
    """Returns an argument as int64 of the same shape: a list, an array, or anything that NumPy makes an array of.

    Raises:
        PipelineError: It does not hold integers alone.

    >>> as_integers("SyntheticSource: lengths", [3, 5]).tolist()
    [3, 5]
    """
    try:
        given = np.asarray(value)
    except ValueError:  # lists of several lengths
        given = np.array([None])
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise PipelineError(f"{what}={shown(value)} must hold integers alone")
    return given.astype(np.int64)


def as_number(what: str, value: object) -> float:
    """Returns a real number of any kind as a finite float.

    Raises:
        PipelineError: It is not a finite number.

    >>> as_number("measure: timeout_seconds", np.float32(1.5))
    1.5
    """
    if is_bool(value) or not isinstance(value, Real):
        raise PipelineError(f"{what}={shown(value)} must be a number, not {kind_of(value)}")
    if not math.isfinite(value):
        raise PipelineError(f"{what}={value!r} must be a finite number")
    return float(value)


def as_bool(what: str, value: object) -> bool:
    """Returns a setting as a Python bool; accepts a bool of NumPy.

    Raises:
        PipelineError: It is another value, which would count as yes most of the time.
    """
    if value is True or value is False:
        return value
    if not isinstance(value, np.bool_):
        raise PipelineError(f"{what}={shown(value)} must be True or False")
    return bool(value == np.True_)


def as_text(what: str, value: object) -> str:
    """Checks an argument that is a name.

    Raises:
        PipelineError: It is not a str, or empty.

    >>> as_text("pack: loss_mask", True)
    Traceback (most recent call last):
      ...
    resumable_data.errors.PipelineError: pack: loss_mask=True must be a name (str), not a bool
    """
    if not isinstance(value, str):
        raise PipelineError(f"{what}={shown(value)} must be a name (str), not {kind_of(value)}")
    if not value:
        raise PipelineError(f"{what}='' must be a name that is not empty")
    return value


def as_path(what: str, value: object) -> str | os.PathLike[str]:
    """Checks an argument that is a path.

    Raises:
        PipelineError: It is not a str or an ``os.PathLike``, or empty.

    >>> as_path("index_dir", 5)
    Traceback (most recent call last):
      ...
    resumable_data.errors.PipelineError: index_dir=5 must be a path, not an int
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(cast(str, value)):
        raise PipelineError(f"{what}={shown(cast(object, value))} must be a path, not {kind_of(cast(object, value))}")
    return cast(str, value)


def as_choice(what: str, value: object, choices: Collection[str]) -> str:
    """Checks an argument that is one of a few words.

    Raises:
        PipelineError: It is another; the error lists those that there are.

    >>> as_choice("shift: what", "input", ("inputs", "targets"))
    Traceback (most recent call last):
      ...
    resumable_data.errors.PipelineError: shift: what='input'; there are 'inputs', 'targets'
    """
    if not isinstance(value, str) or value not in choices:
        raise PipelineError(f"{what}={shown(value)}; there are {', '.join(map(repr, choices))}")
    return value


def as_names(what: str, value: object, known: Collection[str]) -> frozenset[str]:
    """Checks names against the known ones; a str is one name.

    Raises:
        PipelineError: It is neither a str nor several, or one of them is not known.

    >>> sorted(as_names("allow", "batch", ("batch", "weights")))
    ['batch']
    >>> as_names("allow", ["batches"], ("batch", "weights"))
    Traceback (most recent call last):
      ...
    resumable_data.errors.PipelineError: allow=['batches']: there are batch, weights
    """
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Iterable):
        raise PipelineError(f"{what}={shown(value)}: give names, of {', '.join(known)}")
    names = list(cast(Iterable[object], given))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise PipelineError(f"{what}={shown(sorted(unknown, key=repr))}: there are {', '.join(known)}")
    return frozenset(cast(list[str], names))


def as_function(what: str, value: object) -> Callable[..., Any]:
    """Checks an argument that is a callable.

    Raises:
        PipelineError: It cannot be called.
    """
    if not callable(value):
        raise PipelineError(f"{what}={shown(value)} must be a function, not {kind_of(value)}")
    return value
