"""The names of the integers of a state."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.delivered import Delivered
from resumable_data.planning.integers import (
    DELIVERED,
    EPOCH_WINDOW,
    GROUP,
    LAYOUTS,
    delivered_of,
    is_mix,
    name_component,
    named_integers,
    take_last,
)

PAIR = ("epoch", "window")
PACKED = (2, 64, 5, 200, 12, 300, 4000, 50, 7, 6)  # epoch, window, row, rows, lengths_digest; then what was delivered
STREAM = (300, '{"left":1}', 5, 200, 12, 300, 4000, 50, 7, 6)


def test_natural_numbers_are_given_back() -> None:
    assert named_integers({"web": (0, 10**30)}, "web", PAIR) == (0, 10**30)


@pytest.mark.parametrize(
    "at",
    [{}, {"other": (1, 2)}, {"web": ()}, {"web": (1,)}, {"web": (1, 2, 3)}, {"web": (-1, 2)}]
    + [{"web": (1, value)} for value in (True, 2.0, "2", None, (2,))],
    ids=str,
)
def test_anything_else_is_refused_with_the_component_and_the_names(at: dict[str, Any]) -> None:
    with pytest.raises(rd.StateError, match=r"component 'web': the state holds .* where epoch, window belong"):
        named_integers(at, "web", PAIR)


def test_layers_are_taken_off_from_the_outermost_to_the_innermost() -> None:
    at = {"web": PACKED, "code": (1, 2)}

    assert take_last(at, "web", DELIVERED) == (300, 4000, 50, 7, 6)
    assert take_last(at, "web", GROUP) == (5, 200, 12)
    assert named_integers(at, "web", EPOCH_WINDOW) == (2, 64)
    assert at["code"] == (1, 2)


def test_the_innermost_layer_may_be_no_integers() -> None:
    at = {"down": STREAM}
    take_last(at, "down", DELIVERED)
    take_last(at, "down", GROUP)

    assert at == {"down": STREAM[:2]}


@pytest.mark.parametrize("given", [(), (7,), (7, "8"), (7, -1)])
def test_a_layer_that_is_not_there_is_refused(given: tuple[Any, ...]) -> None:
    with pytest.raises(rd.StateError, match=r"component 'web': .* where row, rows, lengths_digest belong"):
        take_last({"web": given}, "web", GROUP)


def test_no_two_layouts_can_be_mistaken() -> None:
    for one, other in combinations(LAYOUTS, 2):
        assert len(one) != len(other) or ("state" in one) != ("state" in other)
    for names in LAYOUTS:
        values = tuple("null" if name == "state" else place for place, name in enumerate(names))
        assert list(name_component(values)) == list(names)


def test_what_a_component_delivered_is_found_by_name() -> None:
    expected = Delivered(rows=200, documents=300, tokens=4000, truncated=50, scored=7, dropped=6)

    assert delivered_of(PACKED) == delivered_of(STREAM) == expected
    assert delivered_of((3, 5, 9)) == Delivered(dropped=9)
    assert delivered_of((3, 5)) == Delivered()


def test_a_text_is_not_a_count() -> None:
    with pytest.raises(rd.StateError, match="where position, state, row, rows, lengths_digest, documents"):
        delivered_of((300, 7, 5, 200, 12, "many", 4000, 50, 7, 6))


def test_a_mix_has_no_names_here() -> None:
    assert name_component((0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)) == {}


@pytest.mark.parametrize(
    ("path", "mix"), [("*", True), ("web/*", True), ("web", False), ("web*", False), ("", False)]
)
def test_paths_of_mixes_end_with_a_star(path: str, mix: bool) -> None:
    assert is_mix(path) is mix
