"""Finds the files that a pattern, a path, or a list of these names."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import cast

from etils import epath

from resumable_data.arguments import kind_of, shown
from resumable_data.errors import PipelineError, SourceError
from resumable_data.system_errors import explain

MANIFEST_SUFFIX = "lengths.manifest"
_NOT_SHARDS = (MANIFEST_SUFFIX, ".tmp")


@dataclass(frozen=True)
class Listed:
    """The paths that one pattern or path names.

    Attributes:
        given: The pattern or path.
        paths: The matching paths, in natural order; some may be folders.
        is_pattern: Whether it is a pattern.
    """

    given: str
    paths: tuple[epath.Path, ...]
    is_pattern: bool

    def files(self, known: Container[epath.Path]) -> list[epath.Path]:
        """Returns the files among the paths. Storage is not asked again about paths in ``known``, which are files.

        Raises:
            SourceError: There are no files, or storage fails.
        """
        found = [path for path in self.paths if path in known or _is_file(path)]
        if not found and self.is_pattern:
            raise SourceError(f"no file matches {self.given}")
        if not found and self.paths[0].is_dir():
            raise SourceError(f"{self.given} is a folder: give a pattern of the files in it, such as {self.given}/*")
        if not found:
            raise SourceError(f"{self.given} does not exist or is not a file")
        return found


def find_shards(paths: epath.PathLike | Sequence[epath.PathLike]) -> list[epath.Path]:
    """Finds the files that a pattern, a path, or a list of these names.

    Raises:
        SourceError: A pattern matches nothing, a file is missing, or the list is empty.
    """
    return [path for listed in list_shards(paths) for path in listed.files(())]


def list_shards(paths: epath.PathLike | Sequence[epath.PathLike]) -> list[Listed]:
    """Lists the paths without a check that they are files: one request for each pattern.

    Raises:
        SourceError: A pattern matches nothing or is recursive, or the list is empty.
        PipelineError: They are not paths.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else cast(object, paths)
    if isinstance(given, bytes | Set) or not isinstance(given, Iterable):
        raise PipelineError(
            f"paths={shown(paths)} must be a path, a pattern, or a list of these in their order, not {kind_of(paths)}"
        )
    patterns = list(cast(Iterable[object], given))
    if not patterns:
        raise SourceError("no files were given: the list of paths is empty")
    for pattern in patterns:
        if not isinstance(pattern, str | os.PathLike) or not os.fspath(cast(str, pattern)):
            raise PipelineError(f"paths: {shown(cast(object, pattern))} is not a path or a pattern")
    return [_listed(os.fspath(cast(str, pattern))) for pattern in patterns]


def _listed(pattern: str) -> Listed:
    fixed = re.split(r"[*?\[]", pattern)[0]
    if fixed == pattern:
        return Listed(pattern, (epath.Path(pattern),), is_pattern=False)
    if "**" in pattern:
        raise SourceError(f"{pattern}: ** is not supported; list the folders")
    slash = fixed.rfind("/") + 1
    folder = epath.Path(pattern[:slash] or ".")
    matches = [path for path in folder.glob(pattern[slash:]) if not path.name.endswith(_NOT_SHARDS)]
    if not matches:
        _check_readable(folder)
        raise SourceError(f"no file matches {pattern}")
    order = sorted(matches, key=lambda path: natural_order(path.as_posix()))
    return Listed(pattern, tuple(order), is_pattern=True)


def _check_readable(folder: epath.Path) -> None:
    """Raises an error if the folder of a pattern cannot be listed: a pattern hides that."""
    try:
        next(iter(folder.iterdir()), None)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed: {explain(error)}") from error


def _is_file(path: epath.Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise SourceError(f"{path} cannot be found: {explain(error)}") from error


def natural_order(name: str) -> list[tuple[int, str]]:
    """Returns a sort key that compares numbers by their value.

    >>> sorted(["shard_10", "shard_2", "shard_000001"], key=natural_order)
    ['shard_000001', 'shard_2', 'shard_10']
    """
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]


def home_of(paths: Sequence[epath.Path]) -> epath.Path:
    """Returns the folder that holds all shards. If it is the root, it returns the folder of the first shard.

    >>> home_of([epath.Path("/c/web/0"), epath.Path("/c/code/0")]).as_posix(), home_of([epath.Path("0")]).as_posix()
    ('/c', '.')
    """
    folders = list(dict.fromkeys(path.parent for path in paths))
    first = folders[0]
    for common in (first, *first.parents):
        if all(folder == common or common in folder.parents for folder in folders):
            return first if common.as_posix().endswith("/") else common
    return first


def name_in(home: epath.Path, path: epath.Path) -> str:
    """Returns the name of a shard relative to a folder.

    >>> name_in(epath.Path("/c"), epath.Path("/c/web/0")), name_in(epath.Path("/c/web"), epath.Path("/d/0"))
    ('web/0', '../../d/0')
    """
    whole, folder = path.as_posix(), home.as_posix()
    if folder == "." and not path.is_absolute():
        return whole
    if whole.startswith(f"{folder}/"):
        return whole[len(folder) + 1 :]
    return whole if "://" in whole else os.path.relpath(whole, folder)
