"""Digests of settings and of content: canonical JSON and BLAKE2b."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import numpy as np

JsonScalar = str | int | float | bool | None
Json = JsonScalar | Sequence["Json"] | Mapping[str, "Json"]


# Made once: json.dumps makes an encoder in each call.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Json) -> str:
    """Returns the one JSON text of a value: sorted keys, no spaces, ASCII.

    >>> canonical_json({"b": 1, "a": [None, "x"]})
    '{"a":[null,"x"],"b":1}'
    """
    return _CANONICAL.encode(value)


def digest(*parts: bytes | str, size: int = 8) -> str:
    """Digests the parts, each with its length, with BLAKE2b: ``2 * size`` hexadecimal digits.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    state = hashlib.blake2b(digest_size=size)
    for part in parts:
        body = part.encode() if isinstance(part, str) else part
        state.update(len(body).to_bytes(8, "little"))
        state.update(body)
    return state.hexdigest()


def digest_to_number(*parts: bytes) -> int:
    """Digests the parts, each with its length, as a number below 2³².

    >>> 0 <= digest_to_number(b"ab") < 2**32, digest_to_number(b"ab") == digest_to_number(b"a", b"b")
    (True, False)
    """
    return int(digest(*parts, size=4), 16)


def type_digest(record: object) -> str:
    """Digests the name of an object's type."""
    return digest("object", module_name(type(record).__module__), type(record).__qualname__)


def module_name(module: str) -> str:
    """Returns the name by which a module counts. It does not depend on how the module was started.

    The module of a script counts as it would if it were imported: ``train`` for ``python train.py``, ``jobs.train``
    for ``python -m jobs.train`` and for a script in the package ``jobs``. What is defined in a notebook or at a
    prompt has no file, and counts as ``__main__``.

    >>> module_name("json.decoder")
    'json.decoder'
    """
    # Processes that are spawned call it __mp_main__.
    if module not in ("__main__", "__mp_main__") or (main := sys.modules.get(module)) is None:
        return module
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name
    file = getattr(main, "__file__", None)
    if file is None:
        return "__main__"
    return file_module(Path(file).resolve())[0]


def file_module(path: Path) -> tuple[str, Path]:
    """Returns the name of the module in a file, and the folder from which it is imported under that name.

    >>> name, folder = file_module(Path(__file__))
    >>> name, (folder / "resumable_data" / "digest.py").exists()
    ('resumable_data.digest', True)
    """
    packages = list(takewhile(lambda folder: (folder / "__init__.py").is_file(), path.parents))
    return ".".join([*(folder.name for folder in reversed(packages)), path.stem]), path.parents[len(packages)]


def content_digest(record: object, other: Callable[[object], str] = type_digest) -> str:
    """Digests a record's content, in the same way in every process.

    Arrays of any library count by dtype, shape and bytes; text, bytes, numbers and nests of lists, sets,
    mappings and dataclasses by their content.

    Args:
        record: Anything.
        other: Digests any other object, or raises; by default the name of its type counts.

    >>> content_digest([1, 2]) == content_digest([1, 3])
    False
    """

    def inner(value: object) -> str:
        return content_digest(value, other)

    if isinstance(record, np.ndarray | np.generic):
        array = np.asarray(cast(Any, record))
        if array.dtype.hasobject:
            return digest("objects", str(array.shape), *map(inner, array.ravel().tolist()))
        return digest("array", array.dtype.str, str(array.shape), np.ascontiguousarray(array).tobytes())
    if isinstance(record, bytes | bytearray):
        return digest("bytes", bytes(record))
    if record is None or isinstance(record, str | bool | int | float):
        return digest(type(record).__name__, repr(record))
    if isinstance(record, Mapping):
        items = cast(Mapping[object, object], record).items()
        return digest("mapping", *sorted(inner(k) + inner(v) for k, v in items))
    if isinstance(record, Sequence):
        return digest("sequence", *map(inner, cast(Sequence[object], record)))
    if isinstance(record, Set):
        return digest("set", *sorted(map(inner, cast(Set[object], record))))
    if isinstance(record, type):
        return other(cast(object, record))
    if is_dataclass(record):
        return digest("dataclass", type_digest(record), *(inner(getattr(record, f.name)) for f in fields(record)))
    if hasattr(record, "__array__"):
        return inner(np.asarray(record))
    return other(record)


def callable_name(function: object, name: str | None, version: str | None) -> str:
    """Returns how a callable counts in a fingerprint: its qualified name, or ``name``, and a version.

    The module is that of ``module_name``.
    The content of a closure or an object cannot be seen: give a ``version``, and change it with the content.

    Raises:
        ValueError: The callable has no name that lasts (a lambda, a partial), and none was given.

    >>> callable_name(len, None, "2")
    'builtins.len@2'
    """
    if name is None:
        if isinstance(function, functools.partial):
            raise ValueError(f"{function!r} has no lasting name")
        named = function if hasattr(function, "__qualname__") else type(function)
        name = f"{module_name(named.__module__)}.{named.__qualname__}"  # pyright: ignore
        if "<lambda>" in name:
            raise ValueError("a lambda has no lasting name")
    return name if version is None else f"{name}@{version}"
