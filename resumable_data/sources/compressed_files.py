"""Files that may be compressed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from importlib import import_module
from typing import Any, BinaryIO, cast

from etils import epath

_GZIP, _BZIP2, _XZ, _ZSTANDARD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"


def open_file(path: epath.Path) -> BinaryIO:
    """Opens a file, and decompresses it if its first bytes are those of gzip, bzip2, xz or zstandard.

    Raises:
        OSError: It cannot be opened.
    """
    file = cast(BinaryIO, path.open("rb"))
    begin = file.read(6)
    file.seek(0)
    if begin.startswith(_GZIP):
        return cast(BinaryIO, gzip.open(file))
    if begin.startswith(_BZIP2):
        return cast(BinaryIO, bz2.open(file))
    if begin.startswith(_XZ):
        return cast(BinaryIO, lzma.open(file))
    if begin.startswith(_ZSTANDARD):
        pyarrow: Any = import_module("pyarrow")
        return cast(BinaryIO, io.BufferedReader(pyarrow.CompressedInputStream(file, "zstd")))
    return file
