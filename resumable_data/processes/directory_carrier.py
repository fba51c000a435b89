"""Facts as files of a directory, local or remote, that outlives the run."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

from etils import epath

from resumable_data.digest import digest
from resumable_data.errors import SourceError
from resumable_data.system_errors import explain

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_THREADS = 16
_NAME_BYTES = 16
_SEAL_BYTES = 8


class DirectoryCarrier:
    """Carries facts from run to run. Each file holds one fact, and is never deleted.

    A file begins with a digest of its key and its fact. A damaged file counts as missing, and is written again.

    Args:
        directory: A path that all processes share; made if it is missing. Anything that ``etils.epath`` takes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     DirectoryCarrier(directory).publish("first group", {"a": b"1", "b": b"2"})
    ...     DirectoryCarrier(directory).find("another group", ["b", "c"])
    {'b': b'2'}
    """

    def __init__(self, directory: epath.PathLike) -> None:
        self._directory = epath.Path(directory)

    @property
    def lasting(self) -> bool:
        """True: files outlive the run."""
        return True

    def publish(self, group: str, facts: Mapping[str, bytes]) -> None:
        """Publishes facts by key, and replaces those that are there.

        Args:
            group: Not used.
            facts: The facts.

        Raises:
            SourceError: The directory cannot be written.
        """
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(self._write, facts.keys(), facts.values()))

    def find(self, group: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Returns those of the wanted facts that are there now.

        Args:
            group: Not used.
            keys: The keys of the facts.

        Raises:
            SourceError: The directory cannot be read.
        """
        with ThreadPoolExecutor(_THREADS) as threads:
            found = list(threads.map(self._read, keys))
        return {key: fact for key, fact in zip(keys, found, strict=True) if fact is not None}

    def wait(self, group: str, key: str, seconds: float, closing: Event) -> bytes | None:
        """Waits for a fact and returns it; None when the time is up, or as soon as ``closing`` is set.

        Raises:
            SourceError: The directory cannot be read.
        """
        deadline = time.monotonic() + seconds
        pause = _FIRST_PAUSE_SECONDS
        while (fact := self._read(key)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or closing.wait(min(pause, left)):
                return None
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return fact

    def forget(self, group: str, keys: Sequence[str]) -> None:
        """Deletes nothing."""

    def _write(self, key: str, fact: bytes) -> None:
        path = self._at(key)
        # A file gets its name at the end, so nobody sees an incomplete one.
        written = path.parent / f".{path.name}.{uuid.uuid4().hex}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(_seal(key, fact) + fact)
            written.replace(path)
        except OSError as error:
            with suppress(OSError):
                written.unlink(missing_ok=True)
            raise SourceError(
                f"the lengths of documents cannot be written to {self._directory}: {explain(error)}. Give a "
                "directory that every process can write"
            ) from error

    def _read(self, key: str) -> bytes | None:
        try:
            body = self._at(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(
                f"the lengths of documents cannot be read from {self._directory}: {explain(error)}"
            ) from error
        seal, fact = body[:_SEAL_BYTES], body[_SEAL_BYTES:]
        return fact if seal == _seal(key, fact) else None

    def _at(self, key: str) -> epath.Path:
        """Returns the file of a key, in one of 256 folders."""
        name = digest(key, size=_NAME_BYTES)
        return self._directory / name[:2] / name[2:]


def _seal(key: str, fact: bytes) -> bytes:
    return bytes.fromhex(digest(key, fact, size=_SEAL_BYTES))
