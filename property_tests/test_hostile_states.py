"""Any state is refused with a clear error, or is a position that exists. A refusal moves nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.hostile import PIPELINES, Counting, all_edits, mutated, resigned, states_of
from resumable_data.multihost_dataloading import MultiHostDataLoadIterator

REFUSALS = (rd.StateError, rd.PipelineMismatchError, rd.PipelineError)
STATES_AN_EXAMPLE = 50
MOST_ASKED = 20_000  # documents, to go to a position and to deliver two elements: a few groups
SEEDS = st.integers(0, 2**32 - 1)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@cache
def sound(name: str) -> list[Any]:
    return states_of(name)


@cache
def everything() -> list[Any]:
    return [state for name in PIPELINES for state in sound(name)]


def hostile_states(name: str, seed: int, count: int = STATES_AN_EXAMPLE) -> Sequence[Any]:
    """Yields changed states, half of them with a correct checksum."""
    rng = random.Random(seed)
    found: list[Any] = []
    for number in range(count):
        others = everything() if rng.random() < 0.3 else sound(name)
        state = mutated(rng.choice(sound(name)), others, rng)
        found.append(as_json(resigned(state) if number % 2 else state))
    return found


def as_json(state: Any) -> Any:
    """Makes a round trip through JSON if JSON can hold the value."""
    try:
        return json.loads(json.dumps(state))
    except (TypeError, ValueError):
        return state


def elements(iterator: Any, count: int = 2) -> list[bytes]:
    return [b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(one)) for one in islice(iterator, count)]


@given(st.sampled_from(sorted(PIPELINES)), SEEDS)
def test_a_state_is_refused_with_a_clear_error_or_is_a_position_that_exists(name: str, seed: int) -> None:
    data = PIPELINES[name]()
    iterator = iter(data)
    next(iterator)
    expected_state, moved = json.dumps(iterator.get_state()), False
    for number, state in enumerate(hostile_states(name, seed)):
        allow = all_edits() if number % 3 == 0 else ()
        if name == "stream":
            # A record number is a place in a stream, so two sound states cannot have one number and two places.
            iterator = iter(data)
            expected_state, moved = json.dumps(iterator.get_state()), True
        Counting.asked = 0
        try:
            iterator.set_state(state, allow)
        except REFUSALS:
            assert json.dumps(iterator.get_state()) == expected_state
        else:
            expected_state, moved = json.dumps(iterator.get_state()), True
            there = json.loads(expected_state)
            if next(iter(elements_or_end(iterator)), None) is not None:
                iterator.set_state(there)
                with iter(data) as other:
                    other.set_state(there)
                    assert elements_or_end(other) == elements_or_end(iterator)
            iterator.set_state(there)
        assert Counting.asked <= MOST_ASKED, state
    if not moved:
        fresh = iter(data)
        next(fresh)
        assert elements(iterator) == elements(fresh)


def elements_or_end(iterator: Any) -> list[bytes]:
    """Takes two elements, or the rest. A source may refuse its own state."""
    try:
        return elements(iterator)
    except (rd.StateError, rd.SourceError) as error:
        return [str(error).encode()]


@given(SEEDS)
@settings(max_examples=settings.default.max_examples // 10)
def test_the_iterator_with_epochs_refuses_too(seed: int) -> None:
    def front() -> Any:
        return MultiHostDataLoadIterator(PIPELINES["packed"](), one_device(), 7)

    iterator = front()
    next(iter(iterator))
    states = [as_json(iterator.get_state())]
    next(iterator)
    states.append(as_json(iterator.get_state()))
    rng = random.Random(seed)
    expected = json.dumps(iterator.get_state())
    for _ in range(STATES_AN_EXAMPLE):
        try:
            iterator.set_state(as_json(mutated(rng.choice(states), states, rng)))
        except REFUSALS:
            assert json.dumps(iterator.get_state()) == expected
        else:
            expected = json.dumps(iterator.get_state())


def one_device() -> jax.sharding.Mesh:
    return jax.sharding.Mesh(np.array(jax.devices()[:1]), "data")


MUTATIONS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    lambda body, rng: body[: rng.randrange(len(body))],
    lambda body, rng: bytes(b ^ (1 << rng.randrange(8)) if rng.random() < 0.01 else b for b in body),
    lambda body, rng: body.replace(rng.choice([b"{", b"[", b",", b'"', b":", b"1"]), b"", 1),
    lambda body, rng: b"[" * 100_000,
    lambda body, rng: body[rng.randrange(len(body)) :] + body,
    lambda body, rng: b"1" * 5000,
    lambda body, rng: b"\xff\xfe" + body,
    lambda body, rng: b"",
)
"""Contents with which a file may be replaced."""


def test_a_checkpoint_with_damaged_files_is_refused(tmp_path: Path) -> None:
    data = PIPELINES["packed"]()
    iterator = iter(data)
    next(iterator)
    with ocp.CheckpointManager(epath.Path(tmp_path)) as manager:
        manager.save(1, args=ocp.args.Composite(data=rd.checkpoint.DataSave(iterator)))
        manager.wait_until_finished()
        next(iterator)
        expected = json.dumps(iterator.get_state())
        rng, refused = random.Random(0), 0
        for name in ("state.json", "pipeline.json", "edits.json"):
            path = tmp_path / "1" / "data" / name
            whole = path.read_bytes()
            for mutate in MUTATIONS * 3:
                path.write_bytes(mutate(whole, rng))
                try:
                    manager.restore(1, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(iterator)))
                except REFUSALS:
                    refused += 1
                    assert json.dumps(iterator.get_state()) == expected
                else:
                    expected = json.dumps(iterator.get_state())
            path.write_bytes(whole)
        assert refused >= 20
        manager.restore(1, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(iterator)))
        fresh = iter(data)
        next(fresh)
        assert elements(iterator) == elements(fresh)
