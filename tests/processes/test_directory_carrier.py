"""Facts as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Event

import pytest

import resumable_data as rd
from property_tests.testing.coordination import outcomes
from resumable_data.processes.directory_carrier import DirectoryCarrier

LONG, SHORT = 60.0, 0.2


def files_of(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_facts_outlive_their_carrier_and_are_never_deleted(tmp_path: Path) -> None:
    facts = {f"key/{number}": bytes([0, 255, number]) for number in range(100)}
    DirectoryCarrier(tmp_path / "a" / "b").publish("group", facts)
    later = DirectoryCarrier(str(tmp_path / "a" / "b"))
    later.forget("group", list(facts))
    assert later.find("another group", ["key", *facts]) == facts


def test_a_fact_takes_the_place_of_another(tmp_path: Path) -> None:
    carrier = DirectoryCarrier(tmp_path)
    for fact in (b"first", b""):
        carrier.publish("", {"key": fact})
        assert carrier.wait("", "key", LONG, Event()) == fact
    assert len(files_of(tmp_path)) == 1


def test_a_fact_is_waited_for(tmp_path: Path) -> None:
    carrier = DirectoryCarrier(tmp_path)
    wait = partial(carrier.wait, "", "key", LONG, Event())
    assert outcomes([wait, partial(carrier.publish, "", {"key": b"fact"})]) == [b"fact", None]


def test_a_wait_ends_without_a_fact(tmp_path: Path) -> None:
    carrier, closing = DirectoryCarrier(tmp_path), Event()
    assert carrier.wait("", "key", SHORT, closing) is None
    assert outcomes([partial(carrier.wait, "", "key", LONG, closing), closing.set]) == [None, None]


def test_a_damaged_file_counts_as_missing_and_is_written_again(tmp_path: Path) -> None:
    carrier = DirectoryCarrier(tmp_path)
    carrier.publish("", {"key": b"a fact"})
    (path,) = files_of(tmp_path)
    whole = path.read_bytes()
    damaged = [whole[:size] for size in range(len(whole))]
    damaged += [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(len(whole))]
    for body in damaged:
        path.write_bytes(body)
        assert carrier.find("", ["key"]) == {}
    carrier.publish("", {"key": b"a fact"})
    assert carrier.find("", ["key"]) == {"key": b"a fact"}


def test_the_file_of_another_fact_counts_as_missing(tmp_path: Path) -> None:
    carrier = DirectoryCarrier(tmp_path)
    carrier.publish("", {"key": b"a fact"})
    (path,) = files_of(tmp_path)
    carrier.publish("", {"other": b"another"})
    (other,) = set(files_of(tmp_path)) - {path}
    other.write_bytes(path.read_bytes())
    assert carrier.find("", ["key", "other"]) == {"key": b"a fact"}


def test_a_directory_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(rd.SourceError, match=f"cannot be written to {tmp_path}/file: .*every process can write"):
        DirectoryCarrier(tmp_path / "file").publish("", {"key": b""})


def test_a_directory_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(rd.SourceError, match=f"cannot be read from {tmp_path}/file"):
        DirectoryCarrier(tmp_path / "file").find("", ["key"])


def test_nobody_sees_a_file_that_is_not_complete(tmp_path: Path) -> None:
    carrier = DirectoryCarrier(tmp_path)
    fact = bytes(100_000)

    def write() -> None:
        for _ in range(50):
            carrier.publish("", {"key": fact})

    def read() -> list[bytes]:
        carrier.wait("", "key", LONG, Event())
        return [carrier.find("", ["key"]).get("key", b"missing") for _ in range(200)]

    _, found = outcomes([write, read])
    assert found == [fact] * 200
    assert len(files_of(tmp_path)) == 1
