"""One file about all shards of a corpus: their facts, and the lengths of their documents.

The first line holds the size and the digest of the head. The head is JSON: the facts of each shard, and for each
parser the shards whose lengths are there. The lengths follow as uint32, with a checksum for every 1,024 of them.
Lengths are mapped into memory if the file system allows it, and checked block by block at their first use. So opening
costs the same for any number of documents. The file is written under a temporary name and renamed, so that nobody
sees it half-written.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
from etils import epath

from resumable_data.arrays import Int64Array
from resumable_data.digest import digest
from resumable_data.errors import SourceError
from resumable_data.opaque import JsonDict
from resumable_data.sources.shard_facts import ShardFacts
from resumable_data.system_errors import explain

LengthArray = npt.NDArray[np.uint32]

_FORMAT = "resumable_data.lengths/1"
_LINE_BYTES = 128
_BLOCK = 1024
_ALIGNMENT = 64


class Lengths:
    """Lengths that one parser found, shard after shard.

    Args:
        values: uint32[n].
        checksums: uint32[ceil(n / 1024)], CRC-32 of each block of the values.
        starts: The shards that were counted, and where each one's values begin.
        path: The manifest's file.
    """

    def __init__(
        self, values: LengthArray, checksums: LengthArray, starts: Mapping[str, int], path: epath.Path
    ) -> None:
        self.starts = starts
        self._values = values
        self._checksums = checksums
        self._path = path
        self._checked = np.zeros(len(checksums), np.bool_)

    def at(self, places: Int64Array) -> Int64Array:
        """Returns the lengths at int64[n] places.

        Raises:
            SourceError: The file was damaged since it was written.
        """
        blocks = places // _BLOCK
        unchecked = np.unique(blocks[~self._checked[blocks]])
        for block in unchecked.tolist():
            if zlib.crc32(self._values[block * _BLOCK : (block + 1) * _BLOCK].data) != self._checksums[block]:
                raise _damage(self._path, f"the checksum of lengths from {block * _BLOCK} on is wrong")
        self._checked[unchecked] = True
        return self._values[places].astype(np.int64)


@dataclass(frozen=True)
class Manifest:
    """Facts and lengths of shards.

    Attributes:
        facts: Of each shard, by its name in the folder of the corpus.
        lengths: Of each parser.
    """

    facts: Mapping[str, ShardFacts] = field(default_factory=dict[str, ShardFacts])
    lengths: Mapping[str, Lengths] = field(default_factory=dict[str, Lengths])

    def counted(self, parser: str) -> dict[str, LengthArray]:
        """Returns the lengths that a parser found in each shard, uint32[records].

        Raises:
            SourceError: The file was damaged since it was written.
        """
        lengths = self.lengths.get(parser)
        if lengths is None:
            return {}
        return {
            shard: lengths.at(np.arange(start, start + self.facts[shard].records)).astype(np.uint32)
            for shard, start in lengths.starts.items()
        }

    @classmethod
    def load(cls, path: epath.Path) -> Manifest:
        """Loads a manifest; an empty one if there is no file.

        Raises:
            SourceError: The file is damaged, or cannot be read.
        """
        try:
            with cast(BinaryIO, path.open("rb")) as file:
                content = _mapped(file)
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {explain(error)}") from error
        try:
            return cls._parsed(memoryview(content), path)
        except (ValueError, KeyError, TypeError) as error:
            raise _damage(path, str(error)) from error

    @classmethod
    def _parsed(cls, content: memoryview, path: epath.Path) -> Manifest:
        line, _, _ = bytes(content[:_LINE_BYTES]).partition(b"\n")
        name, size, seal, total = line.decode("ascii").split(" ")
        if name != _FORMAT:
            raise ValueError(f"it begins with {name!r}, not {_FORMAT!r}")
        if len(content) != int(total):
            raise ValueError(f"it has {len(content)} bytes, not {total}")
        data = len(line) + 1 + int(size)
        head = bytes(content[len(line) + 1 : data])
        if digest(head) != seal:
            raise ValueError("the checksum of its head is wrong")
        found: JsonDict = json.loads(head)
        facts = {shard: ShardFacts(**known) for shard, known in found["shards"].items()}
        lengths: dict[str, Lengths] = {}
        for parser, shards in found["lengths"].items():
            counts = np.array([facts[shard].records for shard in shards], np.int64)
            stops = np.cumsum(counts)
            n_values = int(counts.sum())
            n_blocks = -(-n_values // _BLOCK)
            values = np.frombuffer(content, "<u4", n_values, data)
            checksums = np.frombuffer(content, "<u4", n_blocks, data + 4 * n_values)
            starts = dict(zip(shards, (stops - counts).tolist(), strict=True))
            lengths[parser] = Lengths(values, checksums, starts, path)
            data += _aligned(4 * (n_values + n_blocks))
        return cls(facts, lengths)


def write_manifest(
    path: epath.Path, facts: Mapping[str, ShardFacts], lengths: Mapping[str, Mapping[str, LengthArray]]
) -> None:
    """Writes a manifest.

    Args:
        path: The file.
        facts: Of each shard.
        lengths: For each parser, uint32[records] of each shard that was counted.

    Raises:
        SourceError: It cannot be written.
    """
    head = json.dumps(
        {
            "shards": {name: asdict(known) for name, known in facts.items()},
            "lengths": {parser: list(counted) for parser, counted in lengths.items()},
        }
    ).encode()
    parts = [_part(list(counted.values())) for counted in lengths.values()]
    head, line = _sealed(head, sum(map(len, parts)))
    temporary = path.parent / f"{path.name}.{os.getpid()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with cast(BinaryIO, temporary.open("wb")) as file:
            for piece in (line, head, *parts):
                file.write(piece)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise SourceError(
            f"the lengths index {path} cannot be written: {explain(error)}. Or pass index_dir= (--index-dir) with a "
            "folder that can be written, the same for every process"
        ) from error


def _sealed(head: bytes, data_bytes: int) -> tuple[bytes, bytes]:
    """Returns the head, with spaces that align what follows, and the line before it."""
    head = head.ljust(_aligned(_LINE_BYTES + len(head)) - _LINE_BYTES)
    begin = f"{_FORMAT} {len(head)} {digest(head)} "
    total = str(_LINE_BYTES + len(head) + data_bytes).zfill(_LINE_BYTES - 1 - len(begin))
    return head, f"{begin}{total}\n".encode()


def _part(counted: Sequence[LengthArray]) -> bytes:
    """Returns the bytes of one parser's lengths and their checksums."""
    values = np.concatenate(counted, dtype="<u4") if counted else np.zeros(0, "<u4")
    blocks = [values[start : start + _BLOCK] for start in range(0, len(values), _BLOCK)]
    checksums = np.array([zlib.crc32(block.data) for block in blocks], "<u4")
    body = values.tobytes() + checksums.tobytes()
    return body.ljust(_aligned(len(body)), b"\0")


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _mapped(file: BinaryIO) -> mmap.mmap | bytes:
    """Maps the content of a file; reads it if the file system cannot map."""
    try:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (AttributeError, ValueError, OSError, io.UnsupportedOperation):
        return file.read()


def _damage(path: epath.Path, reason: str) -> SourceError:
    return SourceError(f"the lengths index {path} is damaged ({reason}); delete it to have it built again")
