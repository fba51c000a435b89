"""Token lengths of a shard file, counted once and kept beside it.

A sidecar is one ``.npy`` array of uint32, memory-mapped where the file system allows. Its name carries a key
made of the shard's fingerprint and the parser's version, so that a changed shard or parser never meets the
lengths of another; it is written under a temporary name and renamed, so that it is never seen half-written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from zipfile import BadZipFile

import jax
import numpy as np
import numpy.typing as npt
from etils import epath

from resumable_data.errors import SourceError

SUFFIX = ".lengths.npy"
LengthArray = npt.NDArray[np.uint32]
_LONGEST = 2**32 - 1


@dataclass(frozen=True)
class LengthsIndex:
    """The sidecar of one shard file.

    Attributes:
        shard: The shard file.
        directory: Where the sidecar lies; the shard's own folder unless that cannot be written.
        key: Digest of the shard's fingerprint and of the parser.
        records: Number of records in the shard.
    """

    shard: epath.Path
    directory: epath.Path
    key: str
    records: int

    @property
    def path(self) -> epath.Path:
        """The sidecar's file."""
        return self.directory / f"{self.shard.name}.{self.key}{SUFFIX}"

    def load(self) -> LengthArray | None:
        """Lengths of the shard's records, uint32[records], or None where the index has to be built."""
        path = self.path
        if not path.exists():
            return None
        try:
            if Path(path).is_file():
                lengths = cast(LengthArray, np.load(os.fspath(path), mmap_mode="r"))
            else:
                with cast(BinaryIO, path.open("rb")) as file:
                    lengths = cast(LengthArray, np.load(file))
        except (ValueError, EOFError, OSError, BadZipFile) as error:
            raise SourceError(
                f"lengths index {path} is damaged ({error}); delete it to have it built again"
            ) from error
        if lengths.dtype != np.uint32 or lengths.shape != (self.records,):
            raise SourceError(
                f"lengths index {path} holds {lengths.dtype}{list(lengths.shape)}, not "
                f"uint32[{self.records}]; delete it to have it built again"
            )
        return lengths

    def build(self, batches: Iterable[npt.NDArray[np.int64]]) -> LengthArray:
        """Counts, writes and loads the index.

        Args:
            batches: int64 arrays that together hold the length of every record in order.

        Raises:
            SourceError: A document is longer than uint32 can say, or the directory cannot be written.
        """
        lengths = np.concatenate(list(batches))
        if lengths.max(initial=0) > _LONGEST:
            raise SourceError(f"{self.shard}: a document of {int(lengths.max())} tokens is beyond {_LONGEST}")
        temporary = self.directory / f"{self.path.name}.{os.getpid()}.tmp"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with cast(BinaryIO, temporary.open("wb")) as file:
                np.save(file, lengths.astype(np.uint32))
            temporary.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise SourceError(
                f"the lengths index {self.path} cannot be written ({error}); "
                "pass index_dir= with a folder that can be, the same for every process"
            ) from error
        self._remove_outdated()
        return lengths.astype(np.uint32)

    def _remove_outdated(self) -> None:
        """Deletes this shard's indexes of other contents or parsers.

        Only beside the shard: another folder may hold indexes of other shards of the same name.
        """
        if self.directory != self.shard.parent:
            return
        prefix, suffix = f"{self.shard.name}.", SUFFIX
        for file in self.directory.iterdir():
            key = file.name.removeprefix(prefix).removesuffix(suffix)
            if file.name == f"{prefix}{key}{suffix}" and len(key) == len(self.key) and key != self.key:
                file.unlink(missing_ok=True)


def require_single_process(command: str) -> None:
    """Refuses to build an index where many processes run, all of which would build it at once.

    Raises:
        SourceError: More than one process runs; the message has the command to run beforehand.
    """
    if jax.distributed.is_initialized() and jax.process_count() > 1:
        raise SourceError(
            f"the lengths index is missing, and is not built by many processes at once. Run once: {command}"
        )
