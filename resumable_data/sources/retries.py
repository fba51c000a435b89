"""How often storage that fails is asked again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from resumable_data.errors import PipelineError, SourceError

_LOG = logging.getLogger(__name__)
_FIRST_WAIT = 0.2

# Errors of these packages are those of storage, though not all of them are an OSError.
_STORAGE_PACKAGES = ("aiohttp", "botocore", "google", "httpcore", "httpx", "requests", "urllib3")
# Some errors of what was read are an OSError: a file that is no gzip, a picture that is none.
_PARSING_MODULES = ("gzip", "PIL")

ReadT = TypeVar("ReadT")


def is_of_storage(error: BaseException) -> bool:
    """Whether storage failed, which may help itself when it is asked again; otherwise what was read is bad.

    >>> is_of_storage(ConnectionResetError()), is_of_storage(ValueError("no number")), is_of_storage(EOFError())
    (True, False, False)
    """
    package = type(error).__module__.partition(".")[0]
    return package in _STORAGE_PACKAGES or (isinstance(error, OSError) and package not in _PARSING_MODULES)


@dataclass(frozen=True)
class Retries:
    """Attempts at a read with which storage fails, with waits between them that double and vary at random.

    No wait touches the order. What fails for another reason, such as a bad record, is not tried again.

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
            SourceError: Storage failed at every attempt.
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
            retry=tenacity.retry_if_exception(is_of_storage),
            before_sleep=warn,
            reraise=True,
        )
        try:
            return attempts(read)
        except Exception as error:
            if not is_of_storage(error):
                raise
            raise SourceError(f"{what} cannot be read in {self.attempts} attempts: {error}") from error
