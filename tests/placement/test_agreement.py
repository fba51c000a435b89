"""What processes say to each other: over JAX's real coordination service, all of them in one test process."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

# JAX offers no public name for the service; agreement.py says why it is used.
from jax._src.lib import _jax

import resumable_data as rd
from resumable_data.placement.agreement import Claim, _Meeting, _Verdict, agree, claim_of, failure_of

HERE = Claim({"pack": {"length": 32}}, 5, "here")
LONG = 60.0
SHORT = 0.5

Meet = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def clients() -> Iterator[list[Any]]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    service = _jax.get_distributed_runtime_service(address, 3)
    made = [_jax.get_distributed_runtime_client(address, process) for process in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda client: client.connect(), made))
        yield made
        list(threads.map(lambda client: client.shutdown(), made))
    service.shutdown()


@pytest.fixture
def meet(clients: list[Any], request: pytest.FixtureRequest) -> Meet:
    """What each of the three processes hears that makes a claim; None of one that does not come."""

    def together(*claims: Claim | None, timeout: float = LONG) -> list[Any]:
        def one(process: int) -> Any:
            meeting = _Meeting(clients[process], process, (0, 1, 2), request.node.name, timeout)
            claim = claims[process]
            return None if claim is None else meeting.verdict(claim)

        with ThreadPoolExecutor(3) as threads:
            return list(threads.map(one, range(3)))

    return together


def left_behind(clients: list[Any], name: str) -> list[str]:
    return [key for key, _ in clients[0].key_value_dir_get(f"{name}/claims/")]


def test_processes_that_claim_the_same_agree(meet: Meet, clients: list[Any], request: pytest.FixtureRequest) -> None:
    for verdict in meet(HERE, HERE, HERE):
        assert not any([verdict.failures, verdict.absent, verdict.lines, verdict.pipeline])
    assert left_behind(clients, request.node.name) == []


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (Claim(HERE.pipeline, 6, "there"), "process 2 has step 6, process 0 5"),
        (Claim(HERE.pipeline, 5, "there"), "process 2 is at another position than process 0, or had other edits"),
        (
            Claim({"pack": {"length": 64}}, 5, "here"),
            "process 2 has another pipeline, or other data, than process 0",
        ),
    ],
)
def test_all_hear_what_differs(meet: Meet, other: Claim, line: str) -> None:
    verdicts = meet(HERE, HERE, other)
    assert [verdict.lines for verdict in verdicts] == [[line]] * 3
    assert [verdict.pipeline for verdict in verdicts] == [HERE.pipeline] * 3


@pytest.mark.parametrize("failing", [0, 1])
def test_the_others_hear_of_a_failure_which_waits_for_nobody(
    clients: list[Any], request: pytest.FixtureRequest, failing: int
) -> None:
    def meeting(process: int) -> _Meeting:
        return _Meeting(clients[process], process, (0, 1, 2), request.node.name, LONG)

    # Alone, and at once: nobody else has come yet.
    assert meeting(failing).verdict(failure_of(OSError("the disk is full"))) == _Verdict()
    others = [process for process in range(3) if process != failing]
    with ThreadPoolExecutor(2) as threads:
        verdicts = list(threads.map(lambda process: meeting(process).verdict(HERE), others))
    assert [verdict.failures for verdict in verdicts] == [[f"process {failing}: OSError: the disk is full"]] * 2


def test_a_process_that_does_not_come_is_named(meet: Meet) -> None:
    first, second, _ = meet(HERE, HERE, None, timeout=SHORT)
    # The second may have given up by itself before the first did.
    assert first.absent == second.absent == [2]


def test_without_the_first_process_the_others_name_it(meet: Meet) -> None:
    _, second, third = meet(None, HERE, HERE, timeout=SHORT)
    assert second.absent == third.absent == [0]


def test_a_first_process_that_came_and_does_not_decide_is_named_too(
    clients: list[Any], request: pytest.FixtureRequest
) -> None:
    place = request.node.name
    clients[0].key_value_set(f"{place}/claims/0", json.dumps(HERE.to_json()))
    assert _Meeting(clients[1], 1, (0, 1), place, SHORT).verdict(HERE).absent == [0]


def test_one_process_alone_agrees_without_a_service() -> None:
    agree("before the first batch", [0], HERE)
    agree("before the first batch", [0], failure_of(OSError()))


def state(steps: int, seed: int = 7) -> Any:
    source = rd.SyntheticSource(50, lengths=[3, 9], vocabulary=50)
    iterator = iter(rd.Dataset.from_source(source).shuffle(seed).repeat().pad(9, eod_id=0).batch(2))
    for _ in range(steps):
        next(iterator)
    return json.loads(json.dumps(iterator.get_state()))


def test_a_claim_tells_positions_and_pipelines_apart() -> None:
    assert claim_of(state(3)) == claim_of(state(3))
    assert claim_of(state(3)).position != claim_of(state(4)).position
    assert claim_of(state(3)).step == 3
    assert claim_of(state(3)).to_json()["pipeline"] == claim_of(state(4)).to_json()["pipeline"]
    assert claim_of(state(3)).to_json()["pipeline"] != claim_of(state(3, seed=8)).to_json()["pipeline"]


def test_of_a_foreign_state_the_step_alone_counts() -> None:
    assert claim_of({"step": 4, "shard": 1}) == claim_of({"step": 4, "shard": 2}) != claim_of({"step": 5})
