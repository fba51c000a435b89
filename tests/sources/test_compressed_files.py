"""Files that say by their first bytes how they are compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from etils import epath

from resumable_data.sources.compressed_files import open_file


def zstandard(body: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(body)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard])
def test_the_first_bytes_say_how_a_file_is_compressed(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a").write_bytes(compress(b"one\ntwo\nthree"))
    with open_file(epath.Path(tmp_path / "a")) as file:
        assert file.read(5) == b"one\nt"
        assert file.readline() == b"wo\n"
        assert file.read() == b"three"


@pytest.mark.parametrize("body", [b"", b"B", b"\x1f"])
def test_short_files_are_not_compressed(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a").write_bytes(body)
    with open_file(epath.Path(tmp_path / "a")) as file:
        assert file.read() == body
