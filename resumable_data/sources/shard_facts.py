"""Facts about an ArrayRecord shard that do not need its records parsed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar, cast

from array_record.python import array_record_module  # pyright: ignore
from etils import epath

from resumable_data.digest import digest
from resumable_data.errors import SourceError
from resumable_data.sources.source import evenly_spaced
from resumable_data.system_errors import explain, system_error_in

_RANDOM_ACCESS = "readahead_buffer_size:0,max_parallelism:0"
# The footer, with the places of the chunks, ends before the last block of 64 KiB.
_SAMPLED_BLOCKS, _BLOCK_BYTES, _ENDING_BYTES = 16, 4096, 262_144

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class ShardFacts:
    """A shard, as it was when it was measured.

    Attributes:
        size: Its number of bytes.
        records: Its number of records.
        fingerprint: Digest of its base name, size, record count, ending, and of 16 blocks spread over it.
        ending: Digest of its last 256 KiB, which one read can check.
    """

    size: int
    records: int
    fingerprint: str
    ending: str


class Reader(Protocol):
    """The used part of array_record's reader, which has no types."""

    def num_records(self) -> int:
        """Returns the number of records; 0 also if the shard cannot be read."""
        ...

    def read(self, indices: list[int]) -> list[bytes]:
        """Reads records by their number."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...


def open_reader(path: epath.Path, size: int) -> Reader:
    """Opens a reader of a shard of ``size`` bytes.

    Raises:
        SourceError: The shard cannot be opened, is damaged, or is not an ArrayRecord file.
    """
    reader = cast(Reader, array_record_module.ArrayRecordReader(os.fspath(path), _RANDOM_ACCESS))
    if not reader.num_records():  # A reader that could not open its file also says 0.
        try:
            reader.read([0])
        except RuntimeError as error:
            if (cause := system_error_in(str(error))) is not None:
                raise SourceError(f"{path} cannot be read: {explain(cause)}") from cause
        raise SourceError(
            f"{path} is truncated or is not an ArrayRecord file ({size} bytes, no records); write or copy it again"
        )
    return reader


def measure_shard(path: epath.Path) -> ShardFacts:
    """Reads the facts of a shard: one read of a small file, 17 of a large one.

    Raises:
        SourceError: The shard cannot be read, or holds no records.
    """
    size, ending, blocks = _from_file(path, lambda file: (*_ending(file), _blocks(file)))
    if not size:
        raise SourceError(f"{path} is empty (0 bytes, no records); write or copy it again")
    reader = open_reader(path, size)
    records = reader.num_records()
    reader.close()
    last = digest(ending)
    return ShardFacts(size, records, digest("shard", path.name, str(size), str(records), last, *blocks), last)


def sample_of(path: epath.Path) -> str:
    """Digests the size, the time, the last 256 KiB and 16 blocks of a file, so that a large one is not read whole.

    Raises:
        OSError: It cannot be read.
    """
    with cast(BinaryIO, path.open("rb")) as file:
        size, ending = _ending(file)
        return digest("file", str(size), str(path.stat().mtime), ending, *_blocks(file))


def is_unchanged(path: epath.Path, facts: ShardFacts) -> bool:
    """Tells whether the size and the ending of a shard have not changed.

    Raises:
        SourceError: The shard cannot be read.
    """
    size, ending = _from_file(path, _ending)
    return (size, digest(ending)) == (facts.size, facts.ending)


def _from_file(path: epath.Path, read: Callable[[BinaryIO], ResultT]) -> ResultT:
    try:
        with cast(BinaryIO, path.open("rb")) as file:
            return read(file)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {explain(error)}") from error


def _ending(file: BinaryIO) -> tuple[int, bytes]:
    """Reads the size of a file, and its last bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _ENDING_BYTES, 0))
    return size, file.read(_ENDING_BYTES)


def _blocks(file: BinaryIO) -> list[bytes]:
    """Reads blocks spread over a file that is larger than its ending."""
    size = file.seek(0, os.SEEK_END)
    blocks: list[bytes] = []
    if size > _ENDING_BYTES:
        for start in evenly_spaced(max(size - _ENDING_BYTES, 1), _SAMPLED_BLOCKS).tolist():
            file.seek(start)
            blocks.append(file.read(_BLOCK_BYTES))
    return blocks
