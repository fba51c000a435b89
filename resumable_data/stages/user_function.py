"""Functions and transformations of Grain that stages apply to documents, each with a stable name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

from resumable_data.arguments import as_text, kind_of, optional, shown
from resumable_data.digest import Json, callable_name, canonical_json, content_digest
from resumable_data.errors import PipelineError
from resumable_data.opaque import Module

_LONGEST_SETTING = 64


@dataclass(frozen=True)
class Kind:
    """What a stage applies.

    Attributes:
        stage: The stage.
        transform: The class of ``grain.transforms`` that does the same.
        method: The method of that class that is the function.
    """

    stage: str
    transform: str
    method: str


MAP = Kind("map", "Map", "map")
FILTER = Kind("filter", "Filter", "filter")
RANDOM_MAP = Kind("random_map", "RandomMap", "random_map")
_KINDS = (MAP, FILTER, RANDOM_MAP)


def is_transform(kind: Kind, given: object) -> bool:
    """Returns whether an object is a Grain transformation of this kind."""
    # A program with a transformation of Grain has imported Grain. Other programs need not import it.
    grain: Module = sys.modules.get("grain")
    return grain is not None and isinstance(given, getattr(grain.transforms, kind.transform))


def user_function(kind: Kind, given: object, name: str | None, version: str | None) -> tuple[Callable[..., Any], str]:
    """Returns the function that a stage applies to a document, and its name in the fingerprint.

    A function counts by its qualified name. A transformation of Grain counts by the name of its class and by its
    settings: the fields of a dataclass, else the public attributes. Each setting counts as JSON, or by a digest of
    its content if it is long or not a JSON value.

    Args:
        kind: What the stage applies.
        given: A function, or the transformation of Grain that does the same.
        name: A name to count by instead.
        version: Added to the name.

    Raises:
        PipelineError: It is neither of these, it is another transformation of Grain, or it has no stable name.
    """
    grain: Module = sys.modules.get("grain")
    name = optional(as_text, f"{kind.stage}: name", name)
    version = optional(as_text, f"{kind.stage}: version", version)
    if is_transform(kind, given):
        name = name or callable_name(given, None, None) + _settings_text(kind, given, version is not None)
        return getattr(given, kind.method), callable_name(given, name, version)
    if grain is not None and isinstance(given, grain.transforms.Transformation):
        raise PipelineError(_refusal(kind, given))
    if not callable(given):
        raise PipelineError(
            f"{kind.stage}: {shown(given)} ({kind_of(given)}) is neither a function nor a "
            f"grain.transforms.{kind.transform}"
        )
    try:
        return given, callable_name(given, name, version)
    except ValueError as error:
        raise PipelineError(f"{kind.stage}: {error}: pass name='…', and a version='…' to change with it") from error


def _refusal(kind: Kind, given: object) -> str:
    found = next(base.__name__ for base in type(given).__mro__ if base.__module__.startswith("grain."))
    text = (
        f"{kind.stage}: {type(given).__name__} is a {found} of Grain; {kind.stage} takes a function or a "
        f"grain.transforms.{kind.transform}"
    )
    for other in _KINDS:
        if is_transform(other, given):
            seed = ", seed=…" if other is RANDOM_MAP else ""
            text += f". Use {other.stage}(…{seed})"
    return text


def _settings_text(kind: Kind, transform: object, versioned: bool) -> str:
    """Returns the settings of a transformation as JSON; an empty text if it has none."""
    if is_dataclass(transform):
        found = {field.name: getattr(transform, field.name) for field in fields(transform)}
    else:
        found = {name: value for name, value in getattr(transform, "__dict__", {}).items() if name[0] != "_"}
    settings = {name: _setting(kind, transform, name, value, versioned) for name, value in found.items()}
    return canonical_json(settings) if settings else ""


def _setting(kind: Kind, transform: object, name: str, value: object, versioned: bool) -> Json:
    """Returns a setting, or a digest of it. An opaque setting counts by the version alone."""

    def unseen(inner: object) -> str:
        if versioned:
            return ""
        raise PipelineError(
            f"{kind.stage}: the content of {type(transform).__name__}.{name} (a {type(inner).__qualname__}) cannot "
            "be seen, to tell another pipeline: pass version='…', and change it with the setting"
        )

    try:
        if len(canonical_json(cast(Json, value))) <= _LONGEST_SETTING:
            return cast(Json, value)
    except (TypeError, ValueError):
        pass
    return content_digest(value, unseen)
