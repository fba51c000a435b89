"""States with a format, a version and a checksum: sealed when they are made, and checked when they are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from resumable_data.arguments import shown
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import StateError
from resumable_data.opaque import JsonDict, JsonObject


def seal(format_: str, version: int, content: Mapping[str, Json]) -> JsonDict:
    """Adds the name of the format, the version and a checksum to the content.

    >>> sorted(seal("toy", 1, {"step": 3}))
    ['checksum', 'format', 'step', 'version']
    """
    state = {"format": format_, "version": version, **content}
    return {**state, "checksum": digest(canonical_json(state))}


def unseal(format_: str, version: int, keys: Collection[str], state: object) -> JsonDict:
    """Returns the content of a sealed state, also after a round trip through JSON.

    Args:
        format_: The expected format.
        version: The expected version.
        keys: The keys of the content.
        state: The result of ``seal``.

    Raises:
        StateError: It has another format or version, or is damaged.

    >>> unseal("toy", 1, ["step"], seal("toy", 1, {"step": 3}))
    {'step': 3}
    >>> unseal("toy", 1, ["step"], {**seal("toy", 1, {"step": 3}), "step": 4})
    Traceback (most recent call last):
      ...
    resumable_data.errors.StateError: the state is damaged: its checksum is wrong. Restore an earlier checkpoint
    """
    if not isinstance(state, Mapping):
        raise StateError(f"a state of {format_} is a JSON object, not {shown(state)}")
    content = dict(cast(JsonObject, state))
    found, of_version, checksum = (content.pop(name, None) for name in ("format", "version", "checksum"))
    if found != format_:
        raise StateError(f"this is not a state of {format_}: its format is {shown(found)}")
    if of_version != version or isinstance(of_version, bool):
        raise StateError(
            f"the state has version {shown(of_version)}; this release reads version {version}. Restore it with the "
            "release that wrote it"
        )
    try:
        sound = checksum == digest(canonical_json({"format": found, "version": of_version, **content}))
    except (RecursionError, TypeError, ValueError) as error:
        raise StateError(f"the state is damaged: {error}. Restore an earlier checkpoint") from error
    if not sound:
        raise StateError("the state is damaged: its checksum is wrong. Restore an earlier checkpoint")
    if content.keys() != set(keys):
        raise StateError(
            f"the state is damaged: it holds {', '.join(map(str, content))}. Restore an earlier checkpoint"
        )
    return content
