from __future__ import annotations

import json
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.sealed import seal, unseal

SEALED = seal("toy", 2, {"step": 3, "names": ["é", None]})


def opened(state: Any) -> Any:
    return unseal("toy", 2, ("names", "step"), state)


def test_the_content_comes_back_from_json_in_any_order_of_keys() -> None:
    turned = dict(reversed(list(json.loads(json.dumps(SEALED)).items())))
    assert opened(turned) == {"step": 3, "names": ["é", None]}


def test_the_golden_checksum() -> None:
    assert seal("toy", 1, {"step": 3})["checksum"] == "a6fc40c4048947c1"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (None, "a state of toy is a JSON object, not None"),
        ({}, "not a state of toy: its format is None"),
        (seal("other", 2, {}), "not a state of toy: its format is 'other'"),
        (seal("toy", 1, {}), "has version 1; this release reads version 2"),
        ({**SEALED, "version": "2"}, "has version '2'"),
        ({**SEALED, "step": 4}, "its checksum is wrong"),
        ({**SEALED, "more": 4}, "its checksum is wrong"),
        ({name: SEALED[name] for name in SEALED if name != "checksum"}, "its checksum is wrong"),
        ({**SEALED, "step": {3}}, "the state is damaged"),
        (seal("toy", 2, {"step": 3}), "the state is damaged: it holds step"),
        (seal("toy", 2, {"step": 3, "names": [], "more": 1}), "it holds step, names, more"),
    ],
)
def test_another_or_a_damaged_state_is_refused(state: Any, words: str) -> None:
    with pytest.raises(rd.StateError, match=words):
        opened(state)


def test_a_version_that_is_a_boolean_is_refused() -> None:
    with pytest.raises(rd.StateError, match="has version True"):
        unseal("toy", 1, (), seal("toy", True, {}))


def test_neither_sealing_nor_opening_changes_what_is_given() -> None:
    content: dict[str, Any] = {"step": 3}
    sealed = seal("toy", 1, content)
    before = dict(sealed)
    unseal("toy", 1, ("step",), sealed)
    assert (content, sealed) == ({"step": 3}, before)
