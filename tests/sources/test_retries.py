import gzip
import logging
from collections.abc import Callable

import pytest

import resumable_data as rd
from resumable_data.sources.retries import Retries

AT_ONCE = Retries(attempts=3, longest_wait=0)


def failing(*errors: Exception) -> Callable[[], str]:
    """A read that fails with these errors, one after the other, and then gives what it reads."""
    left = list(errors)

    def read() -> str:
        if left:
            raise left.pop(0)
        return f"read, {len(left)} errors left"

    return read


def test_a_read_that_fails_for_a_while_succeeds_with_a_warning_each(caplog: pytest.LogCaptureFixture) -> None:
    read = failing(OSError("reset"), rd.SourceError("shard_3 is gone"))

    assert AT_ONCE.read(read, "the source") == "read, 0 errors left"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "the source: attempt 1 of 3 failed, trying again: OSError('reset')" in warnings[0]
    assert "attempt 2 of 3" in warnings[1]


def test_the_last_failure_is_a_source_error_with_all_that_is_known() -> None:
    errors = [OSError(f"failure {number}") for number in range(5)]

    with pytest.raises(rd.SourceError, match="the source cannot be read in 3 attempts: failure 2") as caught:
        AT_ONCE.read(failing(*errors), "the source")
    assert caught.value.__cause__ is errors[2]


class NetworkError(Exception):
    """As some packages have it: of the network, and no OSError."""


NetworkError.__module__ = "aiohttp.client_exceptions"


def test_errors_of_packages_that_read_from_a_network_are_those_of_storage() -> None:
    assert AT_ONCE.read(failing(NetworkError("payload"), TimeoutError("late")), "it") == "read, 0 errors left"
    with pytest.raises(rd.SourceError, match="it cannot be read in 3 attempts: payload"):
        AT_ONCE.read(failing(*[NetworkError("payload")] * 3), "it")


@pytest.mark.parametrize(
    "error", [rd.RecordError("bad"), KeyError("bad"), RuntimeError("bad"), gzip.BadGzipFile("bad"), EOFError("bad")]
)
def test_what_is_not_the_fault_of_storage_is_not_tried_again(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        AT_ONCE.read(failing(error), "the source")
    assert caught.value is error


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"longest_wait": -1}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(rd.PipelineError, match="at least one attempt"):
        Retries(**settings)
