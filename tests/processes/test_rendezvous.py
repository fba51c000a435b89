"""What processes tell each other, through JAX's real coordination service."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.coordination import clients_of, outcomes
from resumable_data.processes import rendezvous as module
from resumable_data.processes.rendezvous import Rendezvous

LONG, SHORT = 60.0, 0.5


def impatient(views: list[Rendezvous]) -> list[Rendezvous]:
    return [replace(view, timeout_seconds=SHORT) for view in views]


def in_order(messages: Mapping[int, Any]) -> Any:
    return [[process, message] for process, message in messages.items()]


def remaining(clients: list[Any], name: str) -> list[str]:
    return [key for key, _ in clients[0].key_value_dir_get(f"{name}/")]


def test_all_hear_the_one_outcome_and_nothing_remains(
    views: list[Rendezvous], clients: list[Any], request: pytest.FixtureRequest
) -> None:
    heard = outcomes([partial(view.meet, view.own * 10, in_order) for view in views])

    assert heard == [[[0, 0], [1, 10], [2, 20]]] * 3
    assert remaining(clients, request.node.name) == []


def test_one_of_them_decides(views: list[Rendezvous]) -> None:
    decided: list[Mapping[int, Any]] = []

    def decide(messages: Mapping[int, Any]) -> None:
        decided.append(messages)

    outcomes([partial(view.meet, None, decide) for view in views])
    assert len(decided) == 1


@pytest.mark.parametrize("failing", [0, 1])
def test_the_others_hear_of_a_failure_which_waits_for_nobody(views: list[Rendezvous], failing: int) -> None:
    # Alone, and at once: nobody else has come yet.
    views[failing].fail("OSError: the disk is full")
    others = [view for view in views if view.own != failing]

    for error in outcomes([partial(view.meet, None, in_order) for view in others]):
        assert isinstance(error, rd.PeerError)
        assert str(error).startswith("going on: another process cannot go on:")
        assert f"process {failing}: OSError: the disk is full" in str(error)


def test_nothing_remains_of_a_rendezvous_that_all_decline(
    views: list[Rendezvous], clients: list[Any], request: pytest.FixtureRequest
) -> None:
    for view in views[:2]:
        view.decline("it was closed")
    assert remaining(clients, request.node.name)
    views[2].decline("it was closed")
    assert remaining(clients, request.node.name) == []


def test_who_comes_hears_of_one_that_declined(views: list[Rendezvous]) -> None:
    views[2].decline("it was closed")
    for error in outcomes([partial(view.meet, None, in_order) for view in views[:2]]):
        assert isinstance(error, rd.PeerError)
        assert str(error).endswith("process 2: it was closed")


def test_of_two_failures_one_stands(views: list[Rendezvous]) -> None:
    views[2].fail("first")
    views[1].fail("second")
    (error,) = outcomes([partial(views[0].meet, None, in_order)])
    assert "process 2: first" in str(error)


def test_a_process_that_does_not_come_is_named_and_cannot_go_on_when_it_does(views: list[Rendezvous]) -> None:
    for error in outcomes([partial(view.meet, None, in_order) for view in impatient(views)[:2]]):
        assert isinstance(error, rd.PeerError)
        assert "of the 3 processes that take part, process 2 did not come within 0.5 s" in str(error)
    # It makes the rendezvous complete, but the others have gone.
    (late,) = outcomes([partial(views[2].meet, None, in_order)])
    assert isinstance(late, rd.PeerError)
    assert "process 2 did not come" in str(late)


def test_where_all_have_come_and_nobody_decides_the_others_are_named(views: list[Rendezvous]) -> None:
    for other in (0, 2):
        views[0].client.key_value_set(f"{views[0].place}/messages/{other}", "0")
    (error,) = outcomes([partial(impatient(views)[1].meet, None, in_order)])
    assert "process 0, 2 did not come" in str(error)


def test_who_is_waited_for_is_logged(views: list[Rendezvous], caplog: pytest.LogCaptureFixture) -> None:
    view = replace(impatient(views)[1], warn_every_seconds=SHORT / 4)
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        outcomes([partial(view.meet, None, in_order)])
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


def test_no_wait_is_so_long_that_signals_are_not_handled(views: list[Rendezvous]) -> None:
    client = Waiting(views[1].client)
    view = replace(impatient(views)[1], client=client, seconds_per_call=SHORT / 4)
    (error,) = outcomes([partial(view.meet, None, in_order)])
    assert "did not come within 0.5 s" in str(error)
    assert len(client.milliseconds) > 1
    assert max(client.milliseconds) <= SHORT / 4 * 1000


def test_the_others_hear_of_one_that_is_interrupted_while_it_waits(views: list[Rendezvous]) -> None:
    client = Waiting(views[1].client, interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        replace(views[1], client=client).meet(None, in_order)
    for error in outcomes([partial(views[other].meet, None, in_order) for other in (0, 2)]):
        assert isinstance(error, rd.PeerError)
        assert str(error).endswith("process 1: KeyboardInterrupt")


def test_the_others_hear_of_one_that_cannot_decide(views: list[Rendezvous]) -> None:
    def decide(messages: Mapping[int, Any]) -> None:
        raise ValueError("nothing in common")

    found = outcomes([partial(view.meet, None, decide) for view in views])
    (deciding,) = [error for error in found if isinstance(error, ValueError)]
    assert str(deciding) == "nothing in common"
    heard = [str(error) for error in found if isinstance(error, rd.PeerError)]
    assert len(heard) == 2
    assert all("ValueError: nothing in common" in error for error in heard)


def test_a_service_that_is_gone_is_an_error_that_says_so() -> None:
    with clients_of(1) as (client,):
        pass
    gone = Rendezvous("going on", (0, 1), "nowhere", LONG, 0, client)
    for error in outcomes([partial(gone.meet, None, in_order), partial(gone.fail, "a reason")]):
        assert isinstance(error, rd.PeerError)
        assert "going on: the run's other processes cannot be reached" in str(error)


def test_who_declines_while_a_thread_of_its_own_waits_counts_once(
    clients: list[Any], request: pytest.FixtureRequest
) -> None:
    first, second = (Rendezvous("going on", (0, 1), request.node.name, LONG, own, clients[own]) for own in (0, 1))
    # The outcome has to stay until the other one has heard it.
    waiting, _ = outcomes([partial(first.meet, None, in_order), partial(first.decline, "it moved")])
    (other,) = outcomes([partial(impatient([second])[0].meet, None, in_order)])
    for error in (waiting, other):
        assert isinstance(error, rd.PeerError)
        assert "another process cannot go on:\n  process 0: it moved" in str(error)
