"""States that no iterator saved: sound ones with a few changes, and a correct or wrong checksum."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import resumable_data as rd
from property_tests.testing.strategies import Unmeasured
from property_tests.testing.toy_tokenizer import shared
from resumable_data.differences import EDITS
from resumable_data.digest import canonical_json, digest

STEPS = (0, 1, 4, 7)

VALUES: Sequence[Any] = (
    None, True, False, 0, 1, 2, 3, 7, 64, 1000, 10**9, 2**31, 2**40, 2**53, 2**62, 2**63, 2**64, 10**30, -1, -(2**63),
    0.5, 1e308,
    "", "0", "null", "{}", "web", "*", "\ud800", [], [0], [[]], [[0, 1]], {}, {"": None}, {"points": []},
    {"between": "constant", "points": [[0, {}]]}, {"between": "linear", "points": [[5, {"a": -1}]]},
)  # fmt: skip


def keep(tokens: Any) -> bool:
    """Says whether a document is kept: all but those of three tokens."""
    return len(tokens) != 3


def swap(tokens: Any, draw: Any) -> Any:
    """Permutes the tokens."""
    return draw.permutation(tokens)


class Numbers:
    """A source without random access: endless documents of one to five tokens."""

    def open_at(self, state: Any) -> NumbersReader:
        """Opens a reader after the number of documents that the state gives."""
        return NumbersReader(0 if state is None else state["next"])

    def fingerprint(self) -> str:
        """Returns a constant."""
        return "numbers"


class NumbersReader:
    """A reader of these documents.

    Args:
        number: The number of documents read.
    """

    def __init__(self, number: int) -> None:
        self._next = number

    def __iter__(self) -> Iterator[list[int]]:
        while True:
            self._next += 1
            yield [1 + self._next % 99] * (1 + self._next % 5)

    def state(self) -> Any:
        """Returns the number of documents read."""
        return {"next": self._next}


class Counting(rd.InMemorySource):
    """Documents in memory that count how many were planned or read."""

    asked = 0

    def read(self, indices: Any) -> Any:
        Counting.asked += len(indices)
        return super().read(indices)


def documents(count: int, name: str = "web", *, known: bool = True) -> rd.Dataset[Any]:
    """Makes documents of one to nine tokens."""
    source = Counting([[1 + record] * (1 + record % 9) for record in range(count)])
    return rd.Dataset.from_source(source if known else Unmeasured(source), name)


def _mix_of_rows(**weights: float) -> rd.Dataset[Any]:
    parts = {name: documents(40, name).shuffle(2).repeat().pack(16, eod_id=0, window=8) for name in weights}
    return rd.mix(parts, weights=weights).batch(4)


def _mix_of_documents(**weights: float) -> rd.Dataset[Any]:
    parts = {name: documents(30, name, known=name != "b").repeat(9) for name in weights}
    return rd.mix(parts, weights=weights).pack(16, eod_id=0, window=8).batch(4, shards=2)


def _nested() -> rd.Dataset[Any]:
    inner = rd.mix({name: documents(20, name).repeat() for name in "xy"}, weights={"x": 1, "y": 2})
    outer = {"inner": inner.pack(8, eod_id=0, window=4), "web": documents(30).repeat().pack(8, eod_id=0, window=4)}
    weights = rd.WeightSchedule({0: {"inner": 1, "web": 1}, 5: {"inner": 1, "web": 3}}, between="linear")
    return rd.mix(outer, weights=weights).batch(rd.BatchSchedule(2, factors={3: 2}))


def _grown_mix(count: int, length: int) -> rd.Dataset[Any]:
    parts = {name: documents(count, name, known=name != "b").shuffle(3).repeat(9) for name in "ab"}
    return rd.mix(parts, weights={"a": 1, "b": 2}).pack(length, eod_id=0, window=8).batch(4, shards=2)


PIPELINES: dict[str, Callable[[], rd.Dataset[Any]]] = {
    "packed": lambda: documents(50).shuffle(1).repeat().append_eod(0).pack(16, window=8).batch(4),
    "ends": lambda: documents(50).repeat(3).pack(16, eod_id=0, window=8).batch(2, drop_remainder=False),
    "measured": lambda: (
        documents(50, known=False).shuffle(3).repeat().pack(16, eod_id=0, window=4).batch(4, shards=3)
    ),
    "filtered": lambda: documents(50).filter(keep).repeat().pad(8, eod_id=0).batch(4, shards=2),
    "text": lambda: (
        rd.Dataset.from_source(rd.InMemorySource(["one two", "three", "four five six"] * 9), "web")
        .tokenize(shared())
        .repeat()
        .pack(8, window=4)
        .batch(2)
    ),
    "ramped": lambda: documents(60).repeat().pack(16, eod_id=0).batch(rd.BatchSchedule(2, factors={2: 2, 5: 4})),
    "rows": lambda: _mix_of_rows(a=3, b=1),
    "mixed documents": lambda: _mix_of_documents(a=1, b=2),
    "nested": _nested,
    "stream": lambda: rd.Dataset.from_source(Numbers(), "web").pack(8, eod_id=0, window=4).batch(2),
    "augmented": lambda: (
        documents(50)
        .shuffle(5)
        .repeat()
        .random_map(swap, seed=1, preserves_length=True)
        .pack(16, eod_id=0, window=8)
        .batch(4)
    ),
    "unbatched": lambda: documents(50).repeat().pack(16, eod_id=0, window=8).batch(4).unbatch(),
    "filtered documents": lambda: documents(50).filter(keep).shuffle(4).repeat(),
    "rows alone": lambda: documents(50).repeat(2).pack(16, eod_id=0, window=8),
    "grown": lambda: documents(50, known=False).shuffle(1).repeat(9).pack(16, eod_id=0, window=8).batch(4, shards=2),
    "grown mix": lambda: _grown_mix(40, 16),
}
"""One pipeline of every kind, by name."""

BEFORE: dict[str, Callable[[], rd.Dataset[Any]]] = {
    "grown": lambda: documents(40, known=False).shuffle(1).repeat(9).pack(10, eod_id=0, window=8).batch(4, shards=2),
    "grown mix": lambda: _grown_mix(30, 24),
}
"""Some of them before their data grew and their rows got another length."""

EDITED: dict[str, Callable[[], rd.Dataset[Any]]] = {
    "rows": lambda: _mix_of_rows(a=1, b=1, c=2),
    "mixed documents": lambda: _mix_of_documents(a=5, b=2),
    "packed": lambda: documents(50).shuffle(1).repeat(20).append_eod(0).pack(16, window=8).batch(6),
}
"""The edited versions of some of them."""


def states_of(name: str) -> list[Any]:
    """Makes sound states of a pipeline, and of its edited version."""
    found: list[Any] = []
    with iter(PIPELINES[name]()) as iterator:
        if name in BEFORE:
            with iter(BEFORE[name]()) as before:
                for _ in range(2):
                    next(before)
                iterator.set_state(before.get_state(), allow=all_edits())
        for step in range(max(STEPS) + 1):
            if step in STEPS:
                found.append(iterator.get_state())
            next(iterator)
        if name in EDITED:
            state = iterator.get_state()
    if name in EDITED:
        with iter(EDITED[name]()) as edited:
            edited.set_state(state, allow=all_edits())
            edited.skip(2, at=max(STEPS) + 4)
            next(edited)
            found.append(edited.get_state())
    return json.loads(json.dumps(found))


def all_edits() -> tuple[str, ...]:
    """Returns all names that ``allow`` can have."""
    return EDITS


def resigned(state: Any) -> Any:
    """Gives the state a correct checksum, if it has the parts that a checksum covers."""
    try:
        stages = {path: numbers for path, (numbers, _) in state["components"].items()}
        at = {path: integers for path, (_, integers) in state["components"].items()}
        header = {key: state[key] for key in ("format", "version", "algorithms", "shared", "stages")}
        header["components"] = {path: numbers for path, numbers in stages.items() if numbers}
        keys = ("step", "rows", "edits", "delivered_digest", "next_digest")
        where = {"at": at, **{key: state[key] for key in keys}}
        return {**state, "checksum": digest(canonical_json(header), canonical_json(where))}
    except (KeyError, TypeError, ValueError, AttributeError):
        return state


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the paths to all values of a nest of lists and objects, except the whole."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Returns the value at a path."""
    for key in path:
        value = value[key]
    return value


def mutated(state: Any, others: Sequence[Any], rng: random.Random) -> Any:
    """Makes one to three changes in a state."""
    state = copy.deepcopy(state)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        paths = list(places(state)) if isinstance(state, dict | list) else []
        if not paths:
            return state
        path = rng.choice(paths)
        holder, key = at(state, path[:-1]), path[-1]
        kind = rng.randrange(9)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            other = rng.choice(paths)
            holder[key] = copy.deepcopy(at(state, other))
        elif kind == 2:
            other = rng.choice(others)
            from_there = rng.choice(list(places(other)))
            holder[key] = copy.deepcopy(at(other, path) if _has(other, path) else at(other, from_there))
        elif kind == 3 and type(holder[key]) is int:
            holder[key] += rng.choice((-1, 1, 2, 16, -16, 10**6, 10**15))
        elif kind == 4 and isinstance(holder[key], list):
            holder[key] = holder[key][: rng.randrange(len(holder[key]) + 1)]
        elif kind == 5 and isinstance(holder[key], list):
            holder[key] = holder[key] + [copy.deepcopy(rng.choice([*holder[key], *VALUES]))]
        elif kind == 6 and isinstance(holder, dict):
            holder[rng.choice(("web", "a", "*", "inner/*", "x", "", "step"))] = holder.pop(key)
        elif kind == 7 and isinstance(holder[key], str):
            text = holder[key]
            cut = rng.randrange(len(text) + 1)
            holder[key] = text[:cut] + rng.choice(("", "0", "}", "é")) + text[cut + 1 :]
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return state


def _has(value: Any, path: tuple[Any, ...]) -> bool:
    try:
        at(value, path)
    except (KeyError, IndexError, TypeError):
        return False
    return True
