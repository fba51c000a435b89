"""How often storage that fails is asked again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from resumable_data.errors import PipelineError, SourceError
from resumable_data.system_errors import can_pass, explain

_LOG = logging.getLogger(__name__)
_FIRST_WAIT = 0.2

ReadT = TypeVar("ReadT")


@dataclass(frozen=True)
class Retries:
    """Attempts at a read that fails with an ``OSError``, with waits between them that double and vary at random.

    No wait touches the order. What fails for another reason, such as a bad record, is not tried again; nor is what
    fails in the same way every time, such as a missing file or permission, or what a source says of its data.

    Args:
        attempts: How often storage is asked, the first time included.
        longest_wait: Most seconds between two attempts. The first wait is at most 0.2 seconds.

    Raises:
        PipelineError: There is no attempt, or a wait is negative.

    >>> Retries(attempts=3).read(lambda: [1, 2], "two numbers")
    [1, 2]
    """

    attempts: int = 5
    longest_wait: float = 10.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.longest_wait < 0:
            raise PipelineError(f"{self}: there is at least one attempt, and no wait is negative")

    def read(self, read: Callable[[], ReadT], what: str) -> ReadT:
        """What ``read`` gives.

        Args:
            read: Reads something.
            what: What an error or a warning calls it.

        Raises:
            SourceError: An ``OSError`` that cannot pass, or every attempt failed.
        """

        def warn(state: tenacity.RetryCallState) -> None:
            assert state.outcome is not None
            _LOG.warning(
                "%s: attempt %d of %d failed, trying again: %r",
                what,
                state.attempt_number,
                self.attempts,
                state.outcome.exception(),
            )

        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=tenacity.wait_random_exponential(_FIRST_WAIT, self.longest_wait),
            retry=tenacity.retry_if_exception(_may_pass),
            before_sleep=warn,
            reraise=True,
        )
        try:
            return attempts(read)
        except OSError as error:
            if not _may_pass(error) and isinstance(error, SourceError):
                raise
            tried = f" in {self.attempts} attempts" if _may_pass(error) else ""
            raise SourceError(f"{what} cannot be read{tried}: {_in_words(error)}") from error


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt can help; where a source fails, its cause says so; without one, the data is amiss."""
    cause = error
    while isinstance(cause, SourceError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if cause is error or isinstance(cause, OSError):
        return not isinstance(cause, SourceError) and can_pass(cause)
    return True  # Libraries for networks have errors of their own.


def _in_words(error: OSError) -> str:
    if isinstance(error, SourceError):
        return str(error)
    return explain(error) if error.filename is None else f"{error.filename}: {explain(error)}"
