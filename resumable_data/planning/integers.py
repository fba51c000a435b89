"""The names of the integers of a state: one table, by which planners encode and decode.

A component's position is a short list of integers. Each layer of the pipeline appends its own: first the documents,
then the rows, then the counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resumable_data.delivered import Delivered
from resumable_data.errors import StateError
from resumable_data.state import At

Names = tuple[str, ...]

EPOCH_POSITION: Names = ("epoch", "position")
"""A component whose documents are delivered as they are: the epoch, and the documents of it that were delivered."""

EPOCH_WINDOW: Names = ("epoch", "window")
"""A component whose documents are packed: the epoch, and the first window of the group in it."""

STREAM: Names = ("position", "state")
"""A source without random access: records read, and the source's own state, as text."""

MIX: Names = ("pending", "origin", "exhausted")
"""A mix: changes of the weights that wait, samples before the regime, exhausted components as bits. Then the samples
of each component in the regime, by name."""

GROUP: Names = ("row", "rows", "lengths_digest")
"""Packed rows: rows of the group that were delivered, and all rows that were; a digest of the lengths of the group's
documents, 0 between groups."""

GROUP_OF_MIX: Names = (*GROUP, "shards", "size")
"""Packed rows of a mix of documents: the same; then the logical shards and the documents of the group that is being
delivered, which an edit of the mix must not change. 0 between groups."""

DELIVERED: Names = Delivered._fields[1:]
"""What was delivered of a component whose documents are packed, alone or in a mix."""

DROPPED: Names = ("dropped",)
"""Documents dropped, of a component whose documents are delivered as they are, where it may drop some."""

LAYOUTS: Sequence[Names] = (
    EPOCH_POSITION,
    EPOCH_POSITION + DROPPED,
    EPOCH_POSITION + DELIVERED,
    EPOCH_WINDOW + GROUP + DELIVERED,
    STREAM,
    STREAM + DROPPED,
    STREAM + GROUP + DELIVERED,
)
"""All that a component may have; no two have as many integers and texts."""


def name_component(at: At) -> Mapping[str, int | str]:
    """Names the integers of a component; nothing for a mix.

    >>> name_component((0, 64, 2, 20, 7, 20, 160, 0, 0, 0))["window"]
    64
    """
    stream = any(isinstance(value, str) for value in at)
    for names in LAYOUTS:
        if len(names) == len(at) and ("state" in names) == stream:
            return dict(zip(names, at, strict=True))
    return {}


def delivered_of(at: At) -> Delivered:
    """Returns what a component of a state has delivered.

    Raises:
        StateError: A text stands in the place of a number.

    >>> delivered_of((0, 64, 2, 20, 7, 20, 160, 0, 0, 0))
    Delivered(rows=20, documents=20, tokens=160, truncated=0, scored=0, dropped=0)
    """
    named = name_component(at)
    counts = [value for name in Delivered._fields if not isinstance(value := named.get(name, 0), str)]
    if len(counts) != len(Delivered._fields):
        raise StateError(f"the state is damaged: it holds {list(at)} where {', '.join(named)} belong")
    return Delivered(*counts)


def delivered_of_mix(at: Mapping[str, At], path: str) -> Delivered | None:
    """Returns the rows that a packed mix of documents has delivered, as a state holds them; None for a mix of rows.

    >>> delivered_of_mix({"*": (0, 0, 0, 5, 5, 2, 7, 3, 1, 40), "a": (0, 5), "b": (0, 5)}, "*")
    Delivered(rows=7, documents=0, tokens=0, truncated=0, scored=0, dropped=0)
    """
    prefix = path.removesuffix("*")
    children = {other.removeprefix(prefix).split("/")[0] for other in at if other.startswith(prefix)} - {"*"}
    names = (*MIX, *children, *GROUP_OF_MIX)
    if len(at[path]) != len(names):
        return None
    _, rows, *_ = named_integers({path: at[path][-len(GROUP_OF_MIX) :]}, path, GROUP_OF_MIX)
    return Delivered(rows=rows)


def named_integers(at: Mapping[str, At], path: str, names: Names) -> tuple[int, ...]:
    """Returns the integers that a state has for a component, one for each name.

    Raises:
        StateError: Their number is wrong, or they are not natural numbers.
    """
    found = at.get(path)
    integers = tuple(value for value in found or () if type(value) is int and value >= 0)
    if found is None or len(found) != len(names) or len(integers) != len(names):
        given = "nothing" if found is None else list(found)
        raise StateError(f"component {path!r}: the state holds {given} where {', '.join(names)} belong")
    return integers


def take_last(at: dict[str, At], path: str, names: Names) -> tuple[int, ...]:
    """Removes the integers of the outermost layer from ``at``, and returns them.

    Raises:
        StateError: There are too few, or they are not natural numbers.
    """
    given = at.get(path, ())
    at[path] = given[: len(given) - len(names)]
    return named_integers({path: given[len(given) - len(names) :]} if len(given) >= len(names) else {}, path, names)


def is_mix(path: str) -> bool:
    """Tells whether a path is that of a mix: the outermost, ``"*"``, or one within it, ``"name/*"``."""
    return path == "*" or path.endswith("/*")
