"""Files of lines some of which are bad: copies without them, that can be read like sound ones, and what was bad."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO, cast

from etils import epath

from resumable_data.digest import digest
from resumable_data.errors import SourceError
from resumable_data.sources.shard_facts import sample_of
from resumable_data.system_errors import explain

_READ_AT_ONCE = 2**20
_BAD_FILE = "bad.json"
_OPENED_BY: Mapping[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_CUT = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Mended:
    """Files whose bad lines are replaced.

    Attributes:
        files: Copies with one line for each record: an empty one, or an empty object, in the place of a bad one.
        bad: What is wrong with the bad records, by their number over all files.
        records: How many records there are, the bad ones included.
    """

    files: Sequence[epath.Path]
    bad: Mapping[int, str]
    records: int


@dataclass(frozen=True)
class LineKind:
    """What a file of lines holds.

    Attributes:
        json: Whether each line is a JSON object, and empty ones are none; otherwise each is a text.
    """

    json: bool

    @property
    def instead(self) -> bytes:
        """What stands in the place of a bad line."""
        return b"{}\n" if self.json else b"\n"

    def check(self, lines: Sequence[bytes]) -> list[str | None]:
        """What is wrong with each line; None where it is sound."""
        reasons = list(map(self._reason, lines))
        sound = [place for place, reason in enumerate(reasons) if reason is None]
        for place in self._refused([lines[place] for place in sound]) if self.json else ():
            reasons[sound[place]] = "it is JSON that Arrow cannot read"
        return reasons

    def _reason(self, line: bytes) -> str | None:
        try:
            text = line.decode()
            if self.json and not isinstance(json.loads(text.rstrip()), dict):
                return "it is no JSON object"
        except json.JSONDecodeError as error:
            return f"{error.msg}, at character {error.pos + 1}"
        except ValueError as error:
            return str(error)
        return None

    def _refused(self, lines: Sequence[bytes], first: int = 0) -> list[int]:
        """Places of JSON objects that what reads the copy cannot read, such as those with half of a character."""
        if not lines:
            return []
        text = b"".join(lines)
        arrow: Any = import_module("pyarrow.json")
        whole = arrow.ReadOptions(use_threads=False, block_size=len(text) + 1)
        try:
            arrow.read_json(io.BytesIO(text), read_options=whole)
        except ValueError:
            if len(lines) == 1:
                return [first]
            half = len(lines) // 2
            return self._refused(lines[:half], first) + self._refused(lines[half:], first + half)
        return []


def mended(files: Sequence[epath.Path], kind: LineKind, cache: str) -> Mended:
    """Copies of files that can be read as a whole, and the bad records.

    A file that is cut short, as a compressed one shows, has the records before the cut; what is lost counts as one
    bad record after them. So does a file of no bytes. A copy is made once, and anew where the file has changed.

    Args:
        files: Files of lines, compressed or not.
        kind: What they hold.
        cache: The folder for the copies.

    Raises:
        SourceError: A file cannot be read at all, or its copy not be written.
    """
    copies: list[epath.Path] = []
    bad: dict[int, str] = {}
    records = 0
    for file in files:
        try:
            copy, found = _copy(file, kind, epath.Path(cache))
        except OSError as error:
            raise SourceError(f"{file} cannot be read, or not be copied to {cache}: {explain(error)}") from error
        copies.append(copy)
        bad |= {records + int(place): reason for place, reason in found["bad"].items()}
        records += found["records"]
    return Mended(copies, bad, records)


def _copy(file: epath.Path, kind: LineKind, cache: epath.Path) -> tuple[epath.Path, dict[str, Any]]:
    """The copy of a file, and how many records and which bad ones it has."""
    key = digest("mended lines", os.fspath(file), sample_of(file), str(kind.json))
    folder = cache / f"mended_{key}"
    copy, notes = folder / f"lines{'.jsonl' if kind.json else '.txt'}", folder / _BAD_FILE
    if not notes.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Several processes may do this at once; each renames a whole file, and all write the same.
        own = folder / f"{os.getpid()}.tmp"
        bad: dict[str, str] = {}
        records = 0
        with cast(BinaryIO, own.open("wb")) as target:
            for lines, reasons in _checked(file, kind):
                for line, reason in zip(lines, reasons, strict=True):
                    if reason is not None:
                        bad[str(records)] = reason
                    target.write(kind.instead if reason is not None else line)
                    records += 1
        own.replace(copy)
        own.write_text(json.dumps({"records": records, "bad": bad}))
        own.replace(notes)
    return copy, json.loads(notes.read_text())


def _checked(file: epath.Path, kind: LineKind) -> Iterator[tuple[list[bytes], list[str | None]]]:
    """The records of a file, many at a time, each as a line with its end, and what is wrong with each."""
    number = 0
    for lines, lost in _lines(file):
        numbered = [
            (place, line.rstrip(b"\r\n") + b"\n")
            for place, line in enumerate(lines, start=number + 1)
            if line.strip() or not kind.json
        ]
        number += len(lines)
        own = [line for _, line in numbered]
        reasons = [
            None if reason is None else f"{file}, line {place}: {reason}"
            for (place, _), reason in zip(numbered, kind.check(own), strict=True)
        ]
        yield own, reasons
        if lost is not None:
            yield [kind.instead], [f"{file} {lost}, after line {number}"]


def _lines(file: epath.Path) -> Iterator[tuple[list[bytes], str | None]]:
    """Lines of a file, many at a time; at a cut the whole lines before it, and what is wrong."""
    opened = _OPENED_BY.get(file.suffix.lower())
    rest, empty = b"", True
    with cast(BinaryIO, file.open("rb") if opened is None else opened(os.fspath(file), "rb")) as source:
        # Gives what there is before a cut; ``read`` would lose it.
        read = getattr(source, "read1", source.read)
        while True:
            try:
                block = read(_READ_AT_ONCE)
            except _CUT as error:
                yield [], f"is cut short or damaged ({error}), and what follows is lost"
                return
            if not block:
                break
            if empty:
                block = block.removeprefix(b"\xef\xbb\xbf")
            empty = False
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield [line + b"\n" for line in lines], None
    if rest:
        yield [rest], None
    if empty:
        yield [], "is empty (0 bytes)"
