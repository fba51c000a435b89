"""Copies files of lines without their bad lines, and notes what was bad."""

from __future__ import annotations

import io
import json
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, NamedTuple, cast

from etils import epath

from resumable_data.errors import SourceError
from resumable_data.opaque import JsonDict, Record
from resumable_data.sources.arrow_cache import cache_folder
from resumable_data.sources.file_lines import items_of, lines_of
from resumable_data.sources.file_places import FilePlaces
from resumable_data.system_errors import explain

_BAD_FILE = "bad.json"


@dataclass(frozen=True)
class Mended:
    """Files whose bad lines are replaced.

    Attributes:
        files: Copies with one line for each record. An empty line, or an empty object, replaces a bad one.
        bad: From the number of a bad record, over all files, to what is wrong with it.
        places: The places of the records in the original files.
    """

    files: Sequence[epath.Path]
    bad: Mapping[int, str]
    places: FilePlaces


@dataclass(frozen=True)
class LineKind:
    """What the lines of a file should hold.

    Attributes:
        json: Whether each line is a JSON object, and empty lines are not records; otherwise each line is a text.
        column: The key that is read, so that the types of other keys do not count; None for all.
        tokens: Whether the column holds lists of integers; otherwise it holds text.
    """

    json: bool
    column: str | None = None
    tokens: bool = False

    @property
    def instead(self) -> bytes:
        """The line that replaces a bad one."""
        return b"{}\n" if self.json else b"\n"

    def check(self, lines: Sequence[bytes]) -> list[str | None]:
        """Says what is wrong with each line; None for a sound one."""
        reasons = list(map(self._reason, lines))
        sound = [place for place, reason in enumerate(reasons) if reason is None]
        for place in self._refused([lines[place] for place in sound]) if self.json else ():
            reasons[sound[place]] = "it is JSON that Arrow cannot read"
        return reasons

    def _reason(self, line: bytes) -> str | None:
        try:
            text = line.decode()
            return self._reason_of_record(json.loads(text.rstrip())) if self.json else None
        except json.JSONDecodeError as error:
            return f"{error.msg}, at character {error.pos + 1}"
        except ValueError as error:
            return str(error)

    def _reason_of_record(self, record: Record) -> str | None:
        if not isinstance(record, dict):
            return "it is not a JSON object"
        if self.column is None:
            return None
        if self.column not in record:
            return f"it has no {self.column!r}"
        value = cast(JsonDict, record)[self.column]
        wanted = "a list of integers" if self.tokens else "text"
        if not isinstance(value, list if self.tokens else str):
            return f"{self.column!r} is {_shown(value)}, not {wanted}"
        wrong = [item for item in cast(list[Record], value) if type(item) is not int] if self.tokens else []
        return f"{self.column!r} holds {_shown(wrong[0])}, and is not {wanted}" if wrong else None

    def _refused(self, lines: Sequence[bytes], first: int = 0) -> list[int]:
        """Finds JSON objects that the reader of the copy refuses, such as those with half of a character."""
        if not lines:
            return []
        text = b"".join(lines)
        pa: Any = import_module("pyarrow")
        arrow: Any = import_module("pyarrow.json")
        at_once = arrow.ReadOptions(use_threads=False, block_size=len(text) + 1)
        column = None
        if self.column is not None:
            target = pa.list_(pa.int64()) if self.tokens else pa.string()
            schema = pa.schema({self.column: target})
            column = arrow.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
        try:
            arrow.read_json(io.BytesIO(text), at_once, column)
        except ValueError:
            if len(lines) == 1:
                return [first]
            half = len(lines) // 2
            return self._refused(lines[:half], first) + self._refused(lines[half:], first + half)
        return []


def _shown(value: Any) -> str:
    return "null" if value is None else reprlib.repr(value)


def mended(files: Sequence[epath.Path], kind: LineKind, cache_dir: epath.PathLike | None) -> Mended:
    """Copies files, so that they can be read as a whole, and lists the bad records.

    A compressed file that is cut short has the records before the cut, and its lost end counts as one bad record
    after them. An empty file counts as one bad record. A copy is made once, and again if the file has changed.

    Args:
        files: Files of lines, compressed or not.
        kind: What they hold.
        cache_dir: The folder of the copies; in the cache of ``datasets`` if it is None.

    Raises:
        SourceError: A file cannot be read at all, or its copy cannot be written.
    """
    copies: list[epath.Path] = []
    bad: dict[int, str] = {}
    records: list[int] = []
    blanks: list[bool | None] = []
    for file in files:
        folder = cache_folder([file], cache_dir, "lines", str(kind))
        try:
            copy, found = _copy(file, kind, folder)
        except OSError as error:
            at = error.filename or f"{file} or its copy in {folder}"
            raise SourceError(f"{at} cannot be read or written: {explain(error)}") from error
        copies.append(copy)
        bad |= {sum(records) + int(place): reason for place, reason in found["bad"].items()}
        records.append(found["records"])
        blanks.append(found["blanks"])
    return Mended(copies, bad, FilePlaces(files, records, blanks))


class _Part(NamedTuple):
    """Some records of a file.

    Attributes:
        lines: Each as a line with its end.
        reasons: What is wrong with each; None for a sound one.
        blanks: Whether there are blank lines among them; None if they are the items of a list.
    """

    lines: list[bytes]
    reasons: list[str | None]
    blanks: bool | None


def _copy(file: epath.Path, kind: LineKind, folder: epath.Path) -> tuple[epath.Path, JsonDict]:
    """Copies a file; returns the copy, its number of records, and its bad ones."""
    # Errors of the copy name the file.
    copy, notes = folder / f"lines_of_{file.name}", folder / _BAD_FILE
    if not notes.exists():
        # Several processes may do this at once: each renames a whole file, and all files are the same.
        own = folder / f"{os.getpid()}.tmp"
        bad: dict[str, str] = {}
        records, blanks = 0, None
        try:
            with cast(BinaryIO, own.open("wb")) as target:
                for part in _checked(file, kind):
                    for line, reason in zip(part.lines, part.reasons, strict=True):
                        if reason is not None:
                            bad[str(records)] = reason
                        target.write(kind.instead if reason is not None else line)
                        records += 1
                    blanks = blanks or part.blanks
            own.replace(copy)
            own.write_text(json.dumps({"records": records, "blanks": blanks, "bad": bad}))
            own.replace(notes)
        finally:
            own.unlink(missing_ok=True)
    return copy, json.loads(notes.read_text())


def _checked(file: epath.Path, kind: LineKind) -> Iterator[_Part]:
    """Yields the records of a file, many at a time, and what is wrong with each."""
    if kind.json and (items := items_of(file)) is not None:
        places = (f"{file}, record {number}" for number in range(len(items)))
        yield _Part(items, _placed(kind.check(items), places), blanks=None)
        return
    number = 0
    for lines, lost in lines_of(file, kind.json):
        numbered = [
            (place, line.rstrip(b"\r\n") + b"\n")
            for place, line in enumerate(lines, start=number + 1)
            if line.strip() or not kind.json
        ]
        number += len(lines)
        own = [line for _, line in numbered]
        places = (f"{file}, line {place}" for place, _ in numbered)
        yield _Part(own, _placed(kind.check(own), places), blanks=len(own) < len(lines))
        if lost is not None:
            yield _Part([kind.instead], [f"{file} {lost}, after line {number}"], blanks=False)


def _placed(reasons: Sequence[str | None], places: Iterable[str]) -> list[str | None]:
    return [reason and f"{place}: {reason}" for reason, place in zip(reasons, places, strict=True)]
