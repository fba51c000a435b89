"""Data sets and functions that worker processes can import."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np


class Squares:
    """Pairs of an index and its square.

    Args:
        count: The number of pairs.
        bad: The sample that cannot be loaded.
        deadly: The sample that kills the process that loads it.
    """

    def __init__(self, count: int, bad: int | None = None, deadly: int | None = None) -> None:
        self.count, self.bad, self.deadly = count, bad, deadly

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> dict[str, Any]:
        assert isinstance(index, np.int64)
        if index == self.bad:
            raise KeyError(f"sample {index} is torn")
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"index": index, "square": np.array([index**2, os.getpid()])}


def refuse(samples: list[Any]) -> Any:
    """Fails to collate."""
    raise TypeError(f"cannot collate {len(samples)} samples")


class TornImageError(Exception):
    """An error that can be pickled, but not unpickled: its arguments are not those of ``__init__``."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} is torn: {reason}")


class TornImages(Squares):
    """Samples that fail with an error that cannot be sent unchanged."""

    def __getitem__(self, index: Any) -> dict[str, Any]:
        raise TornImageError("a.png", "no header")


class CannotBeLoadedThere:
    """A data set that can be sent to another process, but not received there."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: Any) -> Any:
        return index

    def __reduce__(self) -> Any:
        return int, ("not a number",)


class Raises:
    """A data set whose samples raise an error.

    Args:
        error: The error.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: Any) -> Any:
        raise self.error


class Stuck:
    """A data set whose second sample never comes."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: Any) -> Any:
        if index == 1:
            signal.pause()
        return index
