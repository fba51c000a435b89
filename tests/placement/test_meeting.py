"""What processes say to each other, over JAX's real coordination service."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.coordination import clients_of, outcomes
from resumable_data.placement import meeting as module
from resumable_data.placement.meeting import Meeting

LONG, SHORT = 60.0, 0.5


def impatient(meetings: list[Meeting]) -> list[Meeting]:
    return [Meeting(m.purpose, m.processes, m.place, SHORT, m.own, m.client) for m in meetings]


def in_order(said: Mapping[int, Any]) -> Any:
    return [[process, what] for process, what in said.items()]


def left_behind(clients: list[Any], name: str) -> list[str]:
    return [key for key, _ in clients[0].key_value_dir_get(f"{name}/")]


def test_all_hear_the_one_verdict_and_nothing_stays_behind(
    meetings: list[Meeting], clients: list[Any], request: pytest.FixtureRequest
) -> None:
    heard = outcomes([partial(meeting.hold, meeting.own * 10, in_order) for meeting in meetings])

    assert heard == [[[0, 0], [1, 10], [2, 20]]] * 3
    assert left_behind(clients, request.node.name) == []


def test_one_of_them_judges(meetings: list[Meeting]) -> None:
    judged: list[Mapping[int, Any]] = []

    def judge(said: Mapping[int, Any]) -> None:
        judged.append(said)

    outcomes([partial(meeting.hold, None, judge) for meeting in meetings])
    assert len(judged) == 1


@pytest.mark.parametrize("failing", [0, 1])
def test_the_others_hear_of_a_failure_which_waits_for_nobody(meetings: list[Meeting], failing: int) -> None:
    # Alone, and at once: nobody else has come yet.
    meetings[failing].fail("OSError: the disk is full")
    others = [meeting for meeting in meetings if meeting.own != failing]

    for error in outcomes([partial(meeting.hold, None, in_order) for meeting in others]):
        assert isinstance(error, rd.PeerError)
        assert str(error).startswith("going on: another process cannot go on:")
        assert f"process {failing}: OSError: the disk is full" in str(error)


def test_of_a_meeting_that_all_decline_nothing_stays_behind(
    meetings: list[Meeting], clients: list[Any], request: pytest.FixtureRequest
) -> None:
    for meeting in meetings[:2]:
        meeting.decline("it was closed")
    assert left_behind(clients, request.node.name)
    meetings[2].decline("it was closed")
    assert left_behind(clients, request.node.name) == []


def test_who_comes_hears_of_one_that_declined(meetings: list[Meeting]) -> None:
    meetings[2].decline("it was closed")
    for error in outcomes([partial(meeting.hold, None, in_order) for meeting in meetings[:2]]):
        assert isinstance(error, rd.PeerError)
        assert str(error).endswith("process 2: it was closed")


def test_of_two_failures_one_stands(meetings: list[Meeting]) -> None:
    meetings[2].fail("first")
    meetings[1].fail("second")
    (error,) = outcomes([partial(meetings[0].hold, None, in_order)])
    assert "process 2: first" in str(error)


def test_a_process_that_does_not_come_is_named_and_cannot_go_on_when_it_does(meetings: list[Meeting]) -> None:
    for error in outcomes([partial(meeting.hold, None, in_order) for meeting in impatient(meetings)[:2]]):
        assert isinstance(error, rd.PeerError)
        assert "of the 3 processes that take part, process 2 did not come within 0.5 s" in str(error)
    # It makes the meeting complete, but the others have gone.
    (late,) = outcomes([partial(meetings[2].hold, None, in_order)])
    assert isinstance(late, rd.PeerError)
    assert "process 2 did not come" in str(late)


def test_where_all_have_come_and_nobody_judges_the_others_are_named(meetings: list[Meeting]) -> None:
    for other in (0, 2):
        meetings[0].client.key_value_set(f"{meetings[0].place}/said/{other}", "0")
    (error,) = outcomes([partial(impatient(meetings)[1].hold, None, in_order)])
    assert "process 0, 2 did not come" in str(error)


def test_who_is_waited_for_is_logged(
    meetings: list[Meeting], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", SHORT / 4)
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        outcomes([partial(impatient(meetings)[1].hold, None, in_order)])
    assert caplog.messages[0] == "going on: waiting for process 0, 2"


class Waiting:
    """A client of which is known how long it waited at once; a Ctrl-C may end its first wait.

    Attributes:
        milliseconds: Of each wait.
    """

    def __init__(self, client: Any, *, interrupted: bool = False) -> None:
        self._client = client
        self._interrupted = interrupted
        self.milliseconds: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def blocking_key_value_get(self, key: str, milliseconds: int) -> str:
        self.milliseconds.append(milliseconds)
        if self._interrupted:
            raise KeyboardInterrupt
        return self._client.blocking_key_value_get(key, milliseconds)


def test_no_wait_is_so_long_that_signals_are_not_handled(
    meetings: list[Meeting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DEAF_SECONDS", SHORT / 4)
    client = Waiting(meetings[1].client)
    (error,) = outcomes([partial(replace(impatient(meetings)[1], client=client).hold, None, in_order)])
    assert "did not come within 0.5 s" in str(error)
    assert len(client.milliseconds) > 1
    assert max(client.milliseconds) <= SHORT / 4 * 1000


def test_the_others_hear_of_one_that_is_interrupted_while_it_waits(meetings: list[Meeting]) -> None:
    client = Waiting(meetings[1].client, interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        replace(meetings[1], client=client).hold(None, in_order)
    for error in outcomes([partial(meetings[other].hold, None, in_order) for other in (0, 2)]):
        assert isinstance(error, rd.PeerError)
        assert str(error).endswith("process 1: KeyboardInterrupt")


def test_the_others_hear_of_one_that_cannot_judge(meetings: list[Meeting]) -> None:
    def judge(said: Mapping[int, Any]) -> None:
        raise ValueError("nothing in common")

    found = outcomes([partial(meeting.hold, None, judge) for meeting in meetings])
    (judging,) = [error for error in found if isinstance(error, ValueError)]
    assert str(judging) == "nothing in common"
    heard = [str(error) for error in found if isinstance(error, rd.PeerError)]
    assert len(heard) == 2
    assert all("ValueError: nothing in common" in error for error in heard)


def test_a_service_that_is_gone_is_an_error_that_says_so() -> None:
    with clients_of(1) as (client,):
        pass
    gone = Meeting("going on", (0, 1), "nowhere", LONG, 0, client)
    for error in outcomes([partial(gone.hold, None, in_order), partial(gone.fail, "a reason")]):
        assert isinstance(error, rd.PeerError)
        assert "going on: the run's other processes cannot be reached" in str(error)


def test_who_declines_while_a_thread_of_its_own_waits_counts_once(
    clients: list[Any], request: pytest.FixtureRequest
) -> None:
    first, second = (Meeting("going on", (0, 1), request.node.name, LONG, own, clients[own]) for own in (0, 1))
    # The verdict has to stay until the other one has heard it.
    waiting, _ = outcomes([partial(first.hold, None, in_order), partial(first.decline, "it moved")])
    (other,) = outcomes([partial(impatient([second])[0].hold, None, in_order)])
    for error in (waiting, other):
        assert isinstance(error, rd.PeerError)
        assert "another process cannot go on:\n  process 0: it moved" in str(error)
