"""Errors of the system by their names."""

from __future__ import annotations

import errno
import os

import pytest

from resumable_data.system_errors import can_pass, explain, is_of_system, system_error_in


def error_of(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "EIO", "ENOMEM", "EAGAIN", "ETIMEDOUT", "ECONNRESET", "ESTALE"])
def test_what_may_pass_is_worth_another_attempt(name: str) -> None:
    error = error_of(getattr(errno, name))
    assert can_pass(error)
    assert is_of_system(error)
    assert f"({name}). Trying again can help" in explain(error)


@pytest.mark.parametrize(
    "name", ["ENOENT", "EACCES", "EPERM", "ENOSPC", "EROFS", "EISDIR", "ENOTDIR", "EFBIG", "EDQUOT"]
)
def test_what_stays_is_not(name: str) -> None:
    error = error_of(getattr(errno, name))
    assert not can_pass(error)
    assert not is_of_system(error)
    assert f"({name}). Trying again does not help: " in explain(error)


def test_an_error_without_a_number_says_what_it_says() -> None:
    assert explain(OSError("not an image")) == "not an image"
    assert not is_of_system(OSError("not an image"))
    assert not can_pass(ValueError("a bad record"))


def test_other_libraries_texts_name_errors_of_the_system() -> None:
    found = system_error_in("read() failed: Input/output error; reading /data/a.arecord")
    assert found is not None
    assert found.errno == errno.EIO
    assert system_error_in("Reading past the end; hash mismatch") is None
