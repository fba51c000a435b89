"""Facts at JAX's real coordination service."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.coordination import clients_of, outcomes
from resumable_data.arrays import Int64Array
from resumable_data.processes.length_codec import Lengths
from resumable_data.processes.length_exchange import ExchangeClosedError, LengthExchange
from resumable_data.processes.published import Published
from resumable_data.processes.service_carrier import ServiceCarrier

LONG, SHORT = 60.0, 0.2


@pytest.fixture(scope="module")
def clients() -> Iterator[list[Any]]:
    with clients_of(2) as made:
        yield made


@pytest.fixture
def carriers(clients: list[Any], request: pytest.FixtureRequest) -> list[ServiceCarrier]:
    return [ServiceCarrier(client, request.node.name) for client in clients]


@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_another_process_finds_what_is_published(carriers: list[ServiceCarrier], count: int) -> None:
    facts = {f"key {number}": bytes([0, 255, number]) for number in range(count)}
    carriers[0].publish("group", facts)
    carriers[0].publish("another group", {"key": b"another"})
    assert carriers[1].find("group", list(facts)) == facts
    assert carriers[1].find("group", ["key", *facts]) == facts
    assert carriers[1].find("group", ["key", "another", "key 0"]) == {"key 0": facts["key 0"]}
    assert carriers[1].find("group", ["key"]) == {}
    assert carriers[1].find("nowhere", ["a", "b", "c", "d"]) == {}


def test_a_fact_takes_the_place_of_another_until_it_is_forgotten(carriers: list[ServiceCarrier]) -> None:
    for fact in (b"first", b""):
        carriers[0].publish("group", {"key": fact, "keys": b"stay"})
        assert carriers[1].wait("group", "key", LONG, Event()) == fact
    carriers[0].forget("group", ["key", "never there"])
    assert carriers[1].find("group", ["key", "keys", "never there"]) == {"keys": b"stay"}


def test_a_fact_is_waited_for(carriers: list[ServiceCarrier]) -> None:
    wait = partial(carriers[1].wait, "group", "key", LONG, Event())
    assert outcomes([wait, partial(carriers[0].publish, "group", {"key": b"fact"})]) == [b"fact", None]


def test_a_wait_ends_without_a_fact(carriers: list[ServiceCarrier]) -> None:
    assert carriers[0].wait("group", "key", SHORT, Event()) is None
    closed = Event()
    closed.set()
    assert carriers[0].wait("group", "key", LONG, closed) is None


class Watched:
    """A client that remembers how long each wait may last, and closes an exchange during the first.

    Attributes:
        milliseconds: Of each wait.
    """

    def __init__(self, client: Any, closing: Event | None = None) -> None:
        self._client = client
        self._closing = closing
        self.milliseconds: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def blocking_key_value_get_bytes(self, key: str, milliseconds: int) -> bytes:
        self.milliseconds.append(milliseconds)
        if self._closing is not None:
            self._closing.set()
        return self._client.blocking_key_value_get_bytes(key, milliseconds)


def test_a_wait_is_deaf_for_a_second_at_most_and_ends_when_closed(clients: list[Any]) -> None:
    closing = Event()
    client = Watched(clients[0], closing)
    assert ServiceCarrier(client).wait("group", "key", LONG, closing) is None
    assert client.milliseconds == [1000]


def test_closing_ends_a_wait_of_an_exchange(carriers: list[ServiceCarrier]) -> None:
    exchange = LengthExchange(carriers[0], [0, 1], 0, LONG, published=Published())
    measuring = Event()

    def measure(places: Int64Array) -> list[Lengths]:
        measuring.set()
        return [(np.zeros(1, np.int64), None)] * len(places)

    def close() -> None:
        measuring.wait()
        exchange.close()

    error, _ = outcomes([partial(exchange.share, ["a", "b"], [0, 1], measure, [1, 1], "web"), close])
    assert isinstance(error, ExchangeClosedError)


def test_a_service_that_is_gone_is_an_error_that_says_so() -> None:
    with clients_of(1) as (client,):
        pass
    gone = ServiceCarrier(client)
    for action in (
        partial(gone.publish, "group", {"key": b""}),
        partial(gone.find, "group", ["key"]),
        partial(gone.find, "group", ["a", "b", "c"]),
        partial(gone.wait, "group", "key", LONG, Event()),
        partial(gone.forget, "group", ["key"]),
    ):
        with pytest.raises(rd.PeerError, match="the run's other processes cannot be reached"):
            action()


def test_an_exchange_closes_without_a_service() -> None:
    published = Published()
    with clients_of(1) as (client,):
        exchanges = [LengthExchange(ServiceCarrier(client), [0], 0, published=published) for _ in range(6)]
        for number, exchange in enumerate(exchanges):
            exchange.share([f"{number}"], [0], lambda _: [(np.zeros(1, np.int64), None)], [1], "web")
    for exchange in exchanges:
        exchange.close()
        exchange.close()
