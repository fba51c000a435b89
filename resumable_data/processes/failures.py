"""Facts that say why a process cannot publish others."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

# Encoded lengths never begin with this byte.
_MARK = b"\xff"
_MOST_CHARACTERS = 4000


@dataclass(frozen=True)
class Failure:
    """Why a process cannot measure its share.

    Attributes:
        process: The index of the process.
        reason: The type and the message of the error.
    """

    process: int
    reason: str


def encode_failure(process: int, error: BaseException) -> bytes:
    """Encodes a failure. Each encoded failure is unique, so a process that has read one recognizes the next."""
    reason = f"{type(error).__name__}: {error}".rstrip(": ")[:_MOST_CHARACTERS]
    return _MARK + json.dumps({"process": process, "reason": reason, "number": uuid.uuid4().hex}).encode()


def failure_in(fact: bytes) -> Failure | None:
    """Returns the failure in a fact; None if it holds none.

    >>> failure_in(encode_failure(3, OSError("the disk is full")))
    Failure(process=3, reason='OSError: the disk is full')
    >>> failure_in(b"something else")
    """
    if not fact.startswith(_MARK):
        return None
    said = json.loads(fact.removeprefix(_MARK))
    return Failure(said["process"], said["reason"])
