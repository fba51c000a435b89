"""Repeats reads if storage fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from resumable_data.arguments import as_integer, as_number
from resumable_data.errors import PipelineError, SourceError
from resumable_data.system_errors import can_pass, explain

_LOG = logging.getLogger(__name__)
_FIRST_WAIT = 0.2

# The errors of these packages come from storage, but not all of them are an OSError.
_STORAGE_PACKAGES = ("aiohttp", "botocore", "google", "httpcore", "httpx", "requests", "urllib3")
# Some errors of what was read are an OSError: a file that is not a gzip, a picture that is none.
_PARSING_MODULES = ("gzip", "PIL")

ReadT = TypeVar("ReadT")


def is_of_storage(error: BaseException) -> bool:
    """Tells whether storage failed; if not, the data is bad.

    >>> is_of_storage(ConnectionResetError()), is_of_storage(ValueError("no number")), is_of_storage(EOFError())
    (True, False, False)
    """
    package = type(error).__module__.partition(".")[0]
    return package in _STORAGE_PACKAGES or (isinstance(error, OSError) and package not in _PARSING_MODULES)


@dataclass(frozen=True)
class Retries:
    """Attempts at a read while storage fails. Waits between them double and vary at random.

    Waits do not change the order. A read is not repeated if it fails for another reason, such as a bad record, or if
    it would fail again in the same way: a missing file or permission, or data that a source refuses.

    Args:
        attempts: The most attempts, with the first one.
        longest_wait: The most seconds between two attempts. The first wait is at most 0.2 seconds.

    Raises:
        PipelineError: ``attempts`` is below 1, or a wait is negative.

    >>> Retries(attempts=3).read(lambda: [1, 2], "two numbers")
    [1, 2]
    """

    attempts: int = 5
    longest_wait: float = 10.0

    def __post_init__(self) -> None:
        as_integer("Retries: attempts", self.attempts)
        as_number("Retries: longest_wait", self.longest_wait)
        if self.attempts < 1 or self.longest_wait < 0:
            raise PipelineError(f"{self}: there must be at least one attempt, and a wait must not be negative")

    def read(self, read: Callable[[], ReadT], what: str) -> ReadT:
        """Calls ``read`` until it succeeds, and returns its result.

        Args:
            read: Reads something.
            what: Its name in errors and warnings.

        Raises:
            SourceError: Storage failed at every attempt, or in a way that another attempt cannot change.
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
        except Exception as error:
            may_pass = _may_pass(error)
            if not is_of_storage(error) or (isinstance(error, SourceError) and not may_pass):
                raise
            tried = f" in {self.attempts} attempts" if may_pass else ""
            raise SourceError(f"{what} cannot be read{tried}: {_in_words(error)}") from error


def _may_pass(error: BaseException) -> bool:
    """Tells whether another attempt can help. The cause of a source's error decides; without one, the data is bad."""
    cause = error
    while isinstance(cause, SourceError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, SourceError):
        return False
    if isinstance(cause, OSError):
        return is_of_storage(cause) and can_pass(cause)
    return cause is not error or is_of_storage(cause)  # Libraries of sources have their own errors.


def _in_words(error: Exception) -> str:
    if isinstance(error, SourceError) or not isinstance(error, OSError):
        return str(error)
    return explain(error) if error.filename is None else f"{error.filename}: {explain(error)}"
