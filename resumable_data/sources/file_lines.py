"""Lines of text or JSON files. A file that is cut short gives the lines before the cut."""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Literal, cast

from etils import epath

from resumable_data.opaque import Record
from resumable_data.sources.compressed_files import open_file

_READ_AT_ONCE = 2**20
_BEGIN_BYTES = 64
_CUT = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


def lines_of(
    file: epath.Path, json_lines: bool, read_at_once: int = _READ_AT_ONCE
) -> Iterator[tuple[list[bytes], str | None]]:
    """Yields lines with their ends, many at a time; at a cut, the whole lines before it and what is wrong.

    Args:
        file: The file, compressed or not.
        json_lines: Whether they are JSON, which ends lines with a line feed only; text may have any line end.
        read_at_once: How many bytes are read at once. It does not change the lines.

    Raises:
        OSError: It cannot be read.
    """
    if file.stat().length == 0:
        yield [], "is empty (0 bytes)"
        return
    rest, first = b"", True
    with open_file(file) as source:
        # ``read`` would lose what stands before a cut.
        read = getattr(source, "read1", source.read)
        while True:
            try:
                block = read(read_at_once)
            except _CUT as error:
                yield [], f"is cut short or damaged ({error}), and what follows is lost"
                return
            if not block:
                break
            if first:
                block = block.removeprefix(b"\xef\xbb\xbf")
            first = False
            block = rest + block
            # The next block may hold the second half of a line end.
            held = b"\r" if block.endswith(b"\r") and not json_lines else b""
            block = block.removesuffix(held)
            if not json_lines:
                block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            lines = block.split(b"\n")
            rest = lines.pop() + held
            yield [line + b"\n" for line in lines], None
    if rest:
        yield [rest], None


def items_of(file: epath.Path) -> list[bytes] | None:
    """Reads the items of a JSON file that holds one list, each as a line; returns None for other files.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with open_file(file) as source:
            begin = source.read(_BEGIN_BYTES)
            if not begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                return None
            items = json.loads((begin + source.read()).decode("utf-8-sig"))
    except (*_CUT, ValueError):
        return None
    return [json.dumps(item).encode() + b"\n" for item in items] if any(isinstance(i, dict) for i in items) else None


def json_lines(file: epath.Path) -> Iterator[list[bytes]]:
    """Yields the lines of a JSON file, or the items of its list, many at a time, up to a cut.

    Raises:
        OSError: It cannot be read.
    """
    if (items := items_of(file)) is not None:
        yield items
        return
    for lines, _ in lines_of(file, json_lines=True):
        yield lines


def first_type(lines: Iterable[bytes], column: str) -> Literal["text", "tokens"] | None:
    """Returns the type of the first value in JSON lines that is text or a list of integers; others do not count.

    >>> first_type([b'{"text": 5}', b"oops", b'{"text": "one"}', b'{"text": [1]}'], "text")
    'text'
    """
    for line in lines:
        with suppress(ValueError, AttributeError):
            value = json.loads(line.decode("utf-8-sig")).get(column)
            if isinstance(value, str):
                return "text"
            if isinstance(value, list) and all(type(item) is int for item in cast(list[Record], value)):
                return "tokens"
    return None
