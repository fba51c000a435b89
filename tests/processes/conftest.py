"""One rendezvous of three processes, over JAX's real coordination service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from property_tests.testing.coordination import clients_of
from resumable_data.processes.rendezvous import Rendezvous


@pytest.fixture(scope="module")
def clients() -> Iterator[list[Any]]:
    with clients_of(3) as made:
        yield made


@pytest.fixture
def views(clients: list[Any], request: pytest.FixtureRequest) -> list[Rendezvous]:
    """The rendezvous as each of the processes sees it."""
    return [
        Rendezvous("going on", (0, 1, 2), request.node.name, 60.0, process, client)
        for process, client in enumerate(clients)
    ]
