"""What ``map`` accepts: a function, or one of Grain's map transformations, each with a name that lasts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, cast

from resumable_data.digest import Json, callable_name, canonical_json, content_digest
from resumable_data.errors import PipelineError

_LONGEST_SETTING = 64


def mapped_function(given: object, name: str | None, version: str | None) -> tuple[Callable[[Any], Any], str]:
    """The function that is applied to a document, and what it counts by in the fingerprint.

    A function counts by its qualified name. A ``grain.transforms.Map`` counts by that of its class and by its
    settings: the fields of a dataclass, else the public attributes, each as JSON or, where it is long or no
    JSON value, by a digest of its content.

    Args:
        given: A function or a ``grain.transforms.Map``.
        name: What it counts by instead.
        version: Added to the name.

    Raises:
        PipelineError: It is neither, another of Grain's transformations, or has no lasting name.
    """
    # Whoever holds a transformation of Grain has imported it; nobody else should have to.
    grain: Any = sys.modules.get("grain")
    if grain is not None and isinstance(given, grain.transforms.Transformation):
        if not isinstance(given, grain.transforms.Map):
            raise PipelineError(_refusal(given, grain.transforms))
        name = name or callable_name(given, None, None) + _settings_text(given, version is not None)
        return cast(Any, given).map, callable_name(given, name, version)
    if not callable(given):
        raise PipelineError(f"map: {type(given).__name__} is neither a function nor a grain.transforms.Map")
    try:
        return given, callable_name(given, name, version)
    except ValueError as error:
        raise PipelineError(f"map: {error}") from error


def _refusal(given: object, transforms: Any) -> str:
    kind = next(base.__name__ for base in type(given).__mro__ if base.__module__.startswith("grain."))
    text = f"map: {type(given).__name__} is a {kind} of Grain; map takes a function or a grain.transforms.Map"
    if isinstance(given, transforms.RandomMap | transforms.TfRandomMap):
        return f"{text}, both of the document alone. Derive what is random from the document's content"
    if isinstance(given, transforms.Filter):
        return f"{text}, and leaves no document out"
    return text


def _settings_text(transform: object, versioned: bool) -> str:
    """The settings of a transformation as JSON, or nothing where it has none."""
    if is_dataclass(transform):
        found = {field.name: getattr(transform, field.name) for field in fields(transform)}
    else:
        found = {name: value for name, value in getattr(transform, "__dict__", {}).items() if name[0] != "_"}
    settings = {name: _setting(transform, name, value, versioned) for name, value in found.items()}
    return canonical_json(settings) if settings else ""


def _setting(transform: object, name: str, value: object, versioned: bool) -> Json:
    """A setting as it counts: itself, or a digest; one that cannot be seen into counts by the version."""

    def unseen(inner: object) -> str:
        if versioned:
            return ""
        raise PipelineError(
            f"map: the content of {type(transform).__name__}.{name} (a {type(inner).__qualname__}) cannot be seen, "
            "to tell another pipeline: pass version='…', and change it with the setting"
        )

    try:
        if len(canonical_json(cast(Json, value))) <= _LONGEST_SETTING:
            return cast(Json, value)
    except (TypeError, ValueError):
        pass
    return content_digest(value, unseen)
