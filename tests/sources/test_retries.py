import errno
import gzip
import logging
from collections.abc import Callable
from pathlib import Path

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


def caused(error: OSError) -> rd.SourceError:
    outer = rd.SourceError(f"shard_3 cannot be read: {error}")
    outer.__cause__ = error
    return outer


def test_a_read_that_fails_for_a_while_succeeds_with_a_warning_each(caplog: pytest.LogCaptureFixture) -> None:
    read = failing(OSError("reset"), caused(OSError("shard_3 is away")))

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
    "error",
    [
        rd.RecordError("bad"),
        KeyError("bad"),
        RuntimeError("bad"),
        gzip.BadGzipFile("bad"),
        EOFError("bad"),
        rd.SourceError("empty"),
    ],
)
def test_what_is_not_the_fault_of_storage_is_not_tried_again(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        AT_ONCE.read(failing(error), "the source")
    assert caught.value is error


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"longest_wait": -1}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(rd.PipelineError, match="at least one attempt"):
        Retries(**settings)


@pytest.mark.parametrize("wrap", [lambda error: error, caused])
def test_what_stays_is_not_tried_again_and_what_may_pass_is(
    tmp_path: Path, wrap: Callable[[OSError], OSError], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "shard").read_bytes()
    with pytest.raises(rd.SourceError, match=r"cannot be read: .*No such file or directory"):
        AT_ONCE.read(failing(wrap(missing.value)), "the source")
    assert not caplog.records
    assert AT_ONCE.read(failing(wrap(OSError(errno.EIO, "Input/output error"))), "the source").startswith("read")
    assert len(caplog.records) == 1


def test_the_error_of_the_system_is_named_with_its_file() -> None:
    error = OSError(errno.EMFILE, "Too many open files", "/data/shard_3")
    with pytest.raises(
        rd.SourceError, match=r"in 3 attempts: /data/shard_3: Too many open files \(EMFILE\)\. Trying"
    ):
        AT_ONCE.read(failing(error, error, error), "the source")
